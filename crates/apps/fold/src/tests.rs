use super::*;
use random::Random;

const BENCHMARKS: &str = include_str!("../sequences/benchmarks.fasta");

fn sequence(letters: &str, dim: usize) -> Sequence {
    Sequence { name: "x".to_owned(), dim, best: None, letters: letters.to_owned() }
}

/// What [`Chain`] keeps, counted from nothing.
fn energy_of(chain: &Chain, sequence: &Sequence) -> i32 {
    let points = chain.points();
    let mut pairs = 0;
    for i in 0..points.len() {
        for j in i + 2..points.len() {
            let apart: i32 = (0..3).map(|axis| (points[i][axis] - points[j][axis]).abs()).sum();
            pairs += i32::from(apart == 1 && sequence.is_hydrophobic(i) && sequence.is_hydrophobic(j));
        }
    }
    -pairs
}

#[test]
fn counts_contacts_but_not_bonds() {
    // A square of four: the ends touch.
    let chain = Chain::from_directions(&sequence("HHHH", 2), "RUL").unwrap();
    assert_eq!((chain.energy(), chain.directions().as_str()), (-1, "RUL"));
    assert_eq!(Chain::from_directions(&sequence("HHHP", 2), "RUL").unwrap().energy(), 0);
    assert_eq!(Chain::straight(&sequence("HHHH", 3)).energy(), 0);
}

#[test]
fn refuses_chains_that_cannot_be() {
    let refused =
        |directions: &str, dim: usize| Chain::from_directions(&sequence("HHHHH", dim), directions).err().unwrap();
    assert!(refused("RULD", 2).contains("crosses"));
    assert!(refused("RU", 2).contains("3 residues"));
    assert!(refused("RRRF", 2).contains("direction"));
    assert!(Chain::from_directions(&sequence("HHHHH", 3), "RRRF").is_ok());
}

#[test]
fn moves_keep_the_chain_whole_and_can_be_taken_back() {
    for dim in [2, 3] {
        let sequence = sequence("HPHHPPHHHHPHHHPPHHPPHPHHHPHPHHPPHH", dim);
        let mut chain = Chain::straight(&sequence);
        let mut random = Random::new(5, dim as u64);
        let mut moves = 0;
        for _ in 0..20_000 {
            let (before, energy) = (chain.directions(), chain.energy());
            if !chain.try_move(&mut random) {
                assert_eq!(chain.directions(), before);
                continue;
            }
            moves += 1;
            // Reading it back checks that it is whole and does not cross itself.
            let again = Chain::from_directions(&sequence, &chain.directions()).unwrap();
            assert_eq!((chain.energy(), again.energy()), (energy_of(&chain, &sequence), energy_of(&chain, &sequence)));
            if random.unit() < 0.3 {
                chain.take_back(energy);
                assert_eq!((chain.directions(), chain.energy()), (before, energy_of(&chain, &sequence)));
            }
        }
        assert!(moves > 3000, "{moves}");
    }
}

#[test]
fn finds_the_lowest_energy_known_of_the_short_benchmarks() {
    let sequences = sequence::parse(BENCHMARKS).unwrap();
    for sequence in sequences.iter().filter(|one| one.letters.len() <= 36) {
        let best = (0..4).map(|search| search::run(sequence, 4_000_000, 1, search).energy()).min();
        assert_eq!(best, sequence.best, "{}", sequence.name);
    }
}

#[test]
fn the_same_search_finds_the_same_and_another_goes_another_way() {
    let sequence = sequence("PPPHHPPHHPPPPPHHHHHHHPPHHPPPPHHPPHPP", 2);
    let run = |stream| search::run(&sequence, 20_000, 1, stream).directions();
    assert_eq!(run(0), run(0));
    assert_ne!(run(0), run(1));
}

#[test]
fn reads_fasta_and_says_which_line_is_wrong() {
    let sequences = sequence::parse(BENCHMARKS).unwrap();
    assert_eq!((sequences.len(), sequences[0].best, sequences[6].dim), (7, Some(-9), 3));
    let one = sequence::parse("; a\n>a some words\nhph\nPH\n").unwrap();
    assert_eq!((one[0].letters.as_str(), one[0].dim, one[0].best), ("HPHPH", 2, None));
    assert_eq!(sequence::parse(&format!("{}\n", sequences[6].line())).unwrap()[0], sequences[6]);
    for (text, word) in [
        (">a\nHPX\n", "line 2"),
        ("HPH\n", "before any"),
        (">a dim=4\nHPH\n", "dim"),
        (">../a\nHPH\n", "no name"),
        (">a\nHPH\n>a\nHPH\n", "two sequences"),
        (">a\nHP\n", "2 residues"),
        ("", "0 sequences"),
    ] {
        assert!(sequence::parse(text).unwrap_err().contains(word), "{text}");
    }
}

#[test]
fn believes_no_energy_that_it_did_not_count() {
    let right = ">x dim=2\nHHHH\nRUL\n-1\n";
    assert_eq!(read_fold(right).unwrap().chain.energy(), -1);
    assert!(read_fold(&right.replace("-1", "-2")).err().unwrap().contains("it is -1"));
    assert!(read_fold(&right.replace("RUL", "RLR")).is_err());
    assert!(read_fold("").is_err());
}

#[test]
fn keeps_the_best_of_each_sequence_and_draws_it() {
    let home = std::env::temp_dir().join(format!("golem-fold-{}", std::process::id()));
    let (input, output) = (home.join("in"), home.join("out"));
    std::fs::create_dir_all(&output).unwrap();
    let results = [
        ">a dim=2\nHHHH\nRRR\n0\n",
        ">b dim=3\nHPH\nRF\n0\n",
        ">a dim=2\nHHHH\nRUL\n-1\n",
        ">a dim=2\nHHHH\nURD\n-1\n",
    ];
    for (index, text) in results.iter().enumerate() {
        std::fs::create_dir_all(input.join(index.to_string())).unwrap();
        std::fs::write(input.join(format!("{index}/fold")), text).unwrap();
    }
    merge(&input, &output).unwrap();
    let read = |file: &str| std::fs::read_to_string(output.join(file)).unwrap();
    assert!(read("folds.csv").ends_with("a,2,4,-1,,3,2,HHHH,RUL\nb,3,3,0,,1,1,HPH,RF\n"), "{}", read("folds.csv"));
    assert_eq!((read("a.svg").matches("<circle").count(), read("a.svg").matches("dasharray").count()), (4, 1));
    assert!(read("b.svg").contains("cubic"));
    std::fs::remove_dir_all(home).unwrap();
}

#[test]
fn a_picture_says_how_its_energy_stands_to_the_lowest_known() {
    let drawn = |best: Option<i32>| {
        let sequence = Sequence { best, ..sequence("HHHH", 2) };
        picture::draw(&sequence, &Chain::from_directions(&sequence, "RUL").unwrap())
    };
    assert!(drawn(Some(0)).contains("energy -1, below 0, the lowest known before"));
    assert!(drawn(Some(-1)).contains("energy -1, the lowest known<"));
    assert!(drawn(Some(-2)).contains("energy -1; the lowest known is -2"));
    assert!(drawn(None).contains("energy -1<") && drawn(None).contains("red ring: the first residue"));
}

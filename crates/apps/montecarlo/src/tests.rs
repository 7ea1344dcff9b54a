use super::*;
use market::{Kind, Right};

fn contract(line: &str) -> Contract {
    Contract::parse(&format!("x,{line}")).unwrap()
}

fn close(got: f64, want: f64, within: f64) {
    assert!((got - want).abs() <= within, "{got} is not {want}");
}

#[test]
fn knows_the_normal_distribution() {
    // Source: tables; AS 241 gives these two itself.
    close(normal::quantile(0.25), -0.674_489_750_196_081_7, 1e-15);
    close(normal::quantile(1e-20), -9.262_340_089_798_408, 1e-13);
    close(normal::cumulative(1.0), 0.841_344_746_068_542_9, 1e-14);
    close(normal::cumulative(-8.0) / 6.220_960_574_271_785e-16, 1.0, 1e-4);
    for i in 1..200 {
        let p = f64::from(i) / 200.0;
        close(normal::cumulative(normal::quantile(p)), p, 1e-13);
    }
}

#[test]
fn gives_prices_that_others_have_printed() {
    let price = |line: &str| formula::price(&contract(line)).unwrap();
    // Source: J. Hull, "Options, futures, and other derivatives", example 15.6.
    close(price("european,call,42,40,0.1,0,0.2,0.5,,"), 4.759_422, 1e-6);
    close(price("european,put,42,40,0.1,0,0.2,0.5,,"), 0.808_599, 1e-6);
    // One date is a European option.
    close(price("geometric-asian,call,42,40,0.1,0,0.2,0.5,,1"), price("european,call,42,40,0.1,0,0.2,0.5,,"), 1e-12);
}

#[test]
fn what_knocks_in_and_what_knocks_out_are_together_what_has_no_barrier() {
    for (right, strike, level) in [("call", 100, 85), ("call", 80, 85), ("put", 100, 85), ("put", 80, 85)] {
        let rest = format!("{right},100,{strike},0.05,0.01,0.3,1");
        let sum: f64 = ["in", "out"]
            .iter()
            .map(|way| formula::price(&contract(&format!("down-and-{way},{rest},{level},"))).unwrap())
            .sum();
        close(sum, formula::price(&contract(&format!("european,{rest},,"))).unwrap(), 1e-10);
    }
}

#[test]
fn simulated_prices_are_those_of_the_formulas() {
    let kinds = [
        "european,call,100,100,0.05,0.02,0.2,1,,",
        "european,put,100,90,0.05,0.02,0.2,1,,",
        "geometric-asian,call,100,100,0.05,0,0.2,1,,12",
        "geometric-asian,put,100,100,0.05,0.01,0.4,1,,3",
        "down-and-out,call,100,100,0.05,0,0.25,1,85,",
        "down-and-in,call,100,80,0.05,0,0.25,1,85,",
        "up-and-out,call,100,100,0.05,0,0.2,1,130,",
        "up-and-in,put,100,105,0.05,0.02,0.3,1,115,",
        "up-and-in,call,100,120,0.05,0.02,0.3,1,115,",
        "down-and-in,put,100,100,0.05,0.02,0.3,1,90,",
        "down-and-out,put,100,100,0.05,0.02,0.3,1,60,",
        "up-and-out,put,100,125,0.05,0.02,0.3,1,120,",
    ];
    for (place, line) in kinds.iter().enumerate() {
        let contract = contract(line);
        let sums = sample::run(&contract, 40_000, 7, place as u64);
        let off = (sums.mean - formula::price(&contract).unwrap()) / sums.standard_error();
        assert!(off.abs() < 3.5, "{line}: {off} standard errors off");
    }
}

#[test]
fn the_arithmetic_mean_is_worth_more_than_the_geometric() {
    let call = |kind: &str| sample::run(&contract(&format!("{kind},call,100,100,0.05,0,0.3,1,,12")), 20_000, 1, 1).mean;
    // The same numbers, so the difference is one of the options.
    assert!(call("asian") > call("geometric-asian"));
}

#[test]
fn shares_put_together_are_the_whole() {
    let contract = contract("european,call,100,100,0.05,0,0.2,1,,");
    let parts: Vec<Sums> = (0..4).map(|part| sample::run(&contract, 1000, 1, part)).collect();
    let mut all = parts[0];
    parts[1..].iter().for_each(|part| all.add(part));
    close(all.mean, parts.iter().map(|part| part.mean).sum::<f64>() / 4.0, 1e-12);
    assert_eq!(all.count, 4000);
    let variance = all.squares / 3999.0;
    close((variance / 4000.0).sqrt(), all.standard_error(), 1e-15);
    assert_ne!(parts[0].mean, parts[1].mean);
}

#[test]
fn refuses_markets_that_are_none_with_the_line() {
    let with = |line: &str| {
        let head = "name,type,right,spot,strike,rate,dividend,volatility,years,barrier,dates";
        market::parse(&format!("# remark\n{head}\n{line}\n"))
    };
    assert_eq!(with("a,european,call,100,100,0.05,0,0.2,1,,").unwrap()[0].kind, Kind::European);
    assert_eq!(with("a,european,call,100,100,0.05,0,0.2,1,,").unwrap()[0].right, Right::Call);
    for (line, word) in [
        ("a,american,call,100,100,0.05,0,0.2,1,,", "american"),
        ("a,european,both,100,100,0.05,0,0.2,1,,", "both"),
        ("a,european,call,100,100,0.05,0,-1,1,,", "volatility"),
        ("a,asian,call,100,100,0.05,0,0.2,1,,", "dates"),
        ("a,up-and-out,call,100,100,0.05,0,0.2,1,90,", "wrong side"),
        ("a,european,call", "11"),
        ("a,european,call,nan,100,0.05,0,0.2,1,,", "spot"),
        ("\"a,european,call,100,100,0.05,0,0.2,1,,", "quotation mark"),
    ] {
        let error = with(line).unwrap_err();
        assert!(error.contains(word) && error.contains("line 3"), "{error}");
    }
    assert!(with("").unwrap_err().contains("0 options"));
    assert!(market::parse("x,y\n").unwrap_err().contains("heading"));
}

#[test]
fn a_result_comes_back_as_it_was_and_a_wrong_one_is_refused() {
    let contract = contract("up-and-out,call,100,100,0.05,0,0.2,1,130,");
    let text = format!("{},12,3.25,0.125\n", contract.line());
    assert_eq!(read_sums(&text).unwrap(), [(contract, Sums { count: 12, mean: 3.25, squares: 0.125 })]);
    assert!(read_sums(&text.replace("3.25", "NaN")).is_err());
    assert!(read_sums(&text.replace(",12,", ",1,")).is_err(), "one sample has no error");
    assert!(read_sums(&text.replace("0.125", "-0.125")).is_err());
    assert!(read_sums("1,2,3\n").is_err());
}

#[test]
fn merges_results_into_a_table_a_document_and_a_picture() {
    let home = std::env::temp_dir().join(format!("golem-montecarlo-{}", std::process::id()));
    let (input, output) = (home.join("in"), home.join("out"));
    std::fs::create_dir_all(&output).unwrap();
    let market = market::parse(include_str!("../markets/example.csv")).unwrap();
    for part in 0..2u64 {
        std::fs::create_dir_all(input.join(part.to_string())).unwrap();
        let lines: String = market
            .iter()
            .enumerate()
            .map(|(place, contract)| {
                let sums = sample::run(contract, 500, 1, part << 32 | place as u64);
                format!("{},{},{},{}\n", contract.line(), sums.count, sums.mean, sums.squares)
            })
            .collect();
        std::fs::write(input.join(format!("{part}/sums.csv")), lines).unwrap();
    }
    merge(&input, &output).unwrap();
    let table = std::fs::read_to_string(output.join("prices.csv")).unwrap();
    assert_eq!(table.lines().count(), market.len() + 1);
    assert!(table.starts_with("name,") && table.lines().next().unwrap().ends_with(",paths"));
    assert!(table.contains(",2000\n"), "two paths for each of 1000 samples");
    let svg = std::fs::read_to_string(output.join("prices.svg")).unwrap();
    assert_eq!(svg.matches("<circle").count(), market.len());
    std::fs::write(input.join("1/sums.csv"), "").unwrap();
    assert!(merge(&input, &output).unwrap_err().contains("subtask 1"));
    std::fs::remove_dir_all(home).unwrap();
}

#[test]
fn names_with_commas_and_quotation_marks_come_through() {
    let line = r#""A ""vanilla"", European",european,call,100,100,0.05,0,0.2,1,,"#;
    let contract = Contract::parse(line).unwrap();
    assert_eq!((contract.name.as_str(), contract.line().as_str()), (r#"A "vanilla", European"#, line));
    assert_eq!(read_sums(&format!("{line},12,3.25,0.125\n")).unwrap()[0].0, contract);
    let priced = Priced { formula: None, contract, sums: Sums { count: 12, mean: 3.25, squares: 0.125 } };
    let row = table(&[priced]);
    assert!(row.lines().nth(1).unwrap().starts_with(r#""A ""vanilla"", European",european,call,3.250000,"#), "{row}");
}

#[test]
fn an_option_worth_nothing_has_no_number_that_is_none() {
    let contract = contract("european,call,1,1000000,0.05,0,0.01,1,,");
    let sums = sample::run(&contract, 100, 1, 1);
    assert_eq!((sums.mean, sums.squares), (0.0, 0.0));
    let priced = [Priced { formula: formula::price(&contract), contract, sums }];
    for text in [table(&priced), document(&priced), chart::draw(&priced)] {
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
    assert!(table(&priced).contains(",0.000000,,200\n"), "{}", table(&priced));
}

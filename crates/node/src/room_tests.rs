use super::*;
use crate::content::Room;
use crate::evidence::tests::slow;
use golem_protocol::{ByteCount, Fuel};
use golem_task::{FileRef, SubtaskLimits};

const MAX: u64 = 12_000;

struct Here {
    contents: Contents,
    _folder: tempfile::TempDir,
}

fn here() -> Here {
    let folder = tempfile::tempdir().unwrap();
    Here { contents: Contents::open(&folder.path().join("content"), MAX, Room::Keep).unwrap(), _folder: folder }
}

/// A task with what it has here.
struct Made {
    header: u8,
    module: ContentHash,
    input: ContentHash,
    files: Vec<ContentHash>,
    output: ContentHash,
}

impl Made {
    fn task(&self, standing: Standing) -> TaskContents {
        TaskContents {
            header: B256::repeat_byte(self.header),
            name: format!("task {}", self.header),
            begun: LocalTime(self.header.into()),
            standing,
            module: self.module,
            inputs: vec![self.input],
            outputs: vec![self.output],
        }
    }

    fn all(&self) -> Vec<ContentHash> {
        [self.module, self.input, self.output].into_iter().chain(self.files.clone()).collect()
    }
}

impl Here {
    fn file(&self, path: &str, bytes: &[u8]) -> FileRef {
        let content = self.contents.insert_bytes(bytes).unwrap();
        FileRef { path: path.to_owned(), content, size: ByteCount(bytes.len() as u64) }
    }

    /// A task whose one subtask reads two files, of which one is given, and writes one, all of a thousand bytes.
    fn made(&self, header: u8, shared: &[u8]) -> Made {
        let module = self.contents.insert_bytes(&[header; 500]).unwrap();
        let limits = SubtaskLimits {
            fuel_max: Fuel(1),
            memory_max: ByteCount(1),
            table_elements_max: 1,
            output_max: ByteCount(1),
            output_files_max: 1,
        };
        let own = self.file("own", &[header; 1000]);
        let read = vec![self.file("shared", shared)];
        let input = SubtaskInput { module, args: vec![], stdin: Some(own.clone()), files: read, seed: [0; 32], limits };
        let written = self.file("stdout", &[header + 100; 1000]);
        let output = SubtaskOutput { exit_code: 0, files: vec![written.clone()] };
        Made {
            header,
            module,
            input: self.contents.insert_bytes(&input.encode().unwrap()).unwrap(),
            files: vec![own.content, input.files[0].content, written.content],
            output: self.contents.insert_bytes(&output.encode().unwrap()).unwrap(),
        }
    }

    fn has(&self, hash: ContentHash) -> bool {
        self.contents.has(hash).is_some()
    }

    fn has_all(&self, made: &Made) -> bool {
        made.all().into_iter().all(|hash| self.has(hash))
    }
}

#[test]
fn takes_away_the_oldest_that_is_over_and_what_nobody_names_but_nothing_that_another_task_shares() {
    let here = here();
    let stray = here.contents.insert_bytes(&[99; 700]).unwrap();
    let (first, second, third) = (here.made(1, &[50; 900]), here.made(2, &[51; 900]), here.made(3, &[50; 900]));
    let tasks = || vec![third.task(Standing::GoesOn), second.task(Standing::Over), first.task(Standing::Over)];
    make(&here.contents, tasks(), &[], 10).unwrap();
    assert!(here.has(stray), "nothing goes before it is needed");
    make(&here.contents, tasks(), &[], here.contents.free_bytes() + 700).unwrap();
    assert!(!here.has(stray) && here.has_all(&first), "what nobody names goes first, and no more than is needed");
    make(&here.contents, tasks(), &[], here.contents.free_bytes() + 1).unwrap();
    let gone = first.all().into_iter().filter(|hash| *hash != first.files[1]);
    assert!(gone.into_iter().all(|hash| !here.has(hash)), "the oldest goes whole");
    assert!(here.has_all(&second) && here.has_all(&third), "the third reads a file that the first had too");
}

#[test]
fn makes_room_on_a_full_disk_as_where_the_settings_give_none_and_says_which_it_is() {
    let here = here();
    let (over, staying) = (here.made(1, &[50; 900]), here.made(2, &[51; 900]));
    let tasks = || vec![over.task(Standing::Over), staying.task(Standing::GoesOn)];
    here.contents.pretend_disk(here.contents.used_bytes() + 100);
    make(&here.contents, tasks(), &[], 200).unwrap();
    assert!(!here.has(over.output) && here.has_all(&staying));
    let said = make(&here.contents, tasks(), &[], 5_000).unwrap_err().to_string();
    assert!(said.contains("the disk is nearly full") && !said.contains("content_max_mib"), "{said}");
}

#[test]
fn keeps_what_can_go_on_or_be_tried_again_or_was_not_gathered_and_says_what_takes_the_room() {
    for (standing, step) in [
        (Standing::GoesOn, "let a task end"),
        (Standing::Resumable, "failed subtasks"),
        (Standing::Ungathered, "golem run --resume=0x01010101"),
    ] {
        let here = here();
        let (staying, over) = (here.made(1, &[50; 900]), here.made(2, &[51; 900]));
        let tasks = || vec![staying.task(standing), over.task(Standing::Over)];
        let error = make(&here.contents, tasks(), &[], MAX - 100).unwrap_err();
        let said = error.to_string();
        for part in ["11900 more", "of 12000", "task 1 (0x01010101)", step, "content_max_mib"] {
            assert!(said.contains(part), "lacks `{part}`: {said}");
        }
        assert!(here.has_all(&over), "what can never fit costs nothing its place");
        make(&here.contents, tasks(), &[], here.contents.free_bytes() + 1).unwrap();
        assert!(here.has_all(&staying) && !here.has(over.output));
    }
}

#[test]
fn keeps_what_it_takes_to_show_a_wrong_result() {
    let here = here();
    let proven = here.made(1, &[50; 900]);
    let mut proof = slow(0).documents;
    proof.header.document.module = proven.module;
    proof.agreement.document.subtasks[0].input = proven.input;
    let tasks = || vec![proven.task(Standing::Over)];
    make(&here.contents, tasks(), &[proof], here.contents.free_bytes() + 1).unwrap();
    let kept = [proven.module, proven.input, proven.files[0], proven.files[1]];
    assert!(kept.into_iter().all(|hash| here.has(hash)), "module, input and its files");
    assert!(!here.has(proven.output) && !here.has(proven.files[2]), "and nothing else");
    make(&here.contents, tasks(), &[], here.contents.free_bytes() + 1).unwrap();
    assert!(!here.has(proven.module), "until it is not told of any more");
}

#[test]
fn keeps_what_is_held_for_what_is_under_way() {
    let here = here();
    let over = here.made(1, &[50; 900]);
    let fetched = here.contents.insert_bytes(&[98; 700]).unwrap();
    let mut pins = here.contents.pins();
    // The next task made the same, and it is not accepted yet.
    pins.hold(over.output);
    pins.hold(over.files[2]);
    pins.hold(fetched);
    make(&here.contents, vec![over.task(Standing::Over)], &[], here.contents.free_bytes() + 1).unwrap();
    assert!(here.has(fetched) && here.has(over.output) && here.has(over.files[2]) && !here.has(over.input));
    drop(pins);
    make(&here.contents, vec![over.task(Standing::Over)], &[], MAX).unwrap();
    assert_eq!(here.contents.used_bytes(), 0);
}

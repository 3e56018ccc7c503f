//! Random conversations: each command with a sequence gets exactly one answer, whatever the cuts.

use pinwire_testkit::Pair;
use proptest::prelude::*;

/// Bodies look like heads: read as one, they would be heard as EVIL.
const EVIL: &str = "EVIL\r\nSequence: evil\r\n\r\n";

#[derive(Clone, Debug)]
struct Step {
    name: &'static str,
    one_way: bool,
    body: Option<usize>,
    cut: usize,
    settle: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let name = prop::sample::select(vec!["GET", "HOLD", "NOBODY", "CANCEL"]);
    let body = prop::option::of(0usize..40_000);
    (name, prop::bool::weighted(0.2), body, 1usize..30_000, any::<bool>())
        .prop_map(|(name, one_way, body, cut, settle)| Step { name, one_way, body, cut, settle })
}

fn text(number: usize, step: &Step) -> String {
    let arg = if step.name == "CANCEL" { number / 2 } else { number };
    let mut text = format!("{} {arg}\r\n", step.name);
    if !step.one_way {
        text += &format!("Sequence: {number}\r\n");
    }
    if let Some(size) = step.body {
        text += &format!("Size: {size}\r\n\r\n");
        text.extend(EVIL.chars().cycle().take(size));
    } else {
        text += "\r\n";
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn each_command_gets_one_answer(steps in prop::collection::vec(step(), 1..30), clear in any::<bool>()) {
        let mut pair = if clear { Pair::clear() } else { Pair::rustls() };
        pair.server.script.holds = vec!["HOLD"];
        pair.server.script.refuses_bodies = vec!["NOBODY"];
        for (number, step) in steps.iter().enumerate() {
            pair.up.cut = step.cut;
            for part in text(number, step).as_bytes().chunks(step.cut) {
                pair.client.raw(part);
                if step.settle {
                    pair.drive();
                }
            }
        }
        pair.drive();
        let held: Vec<_> =
            pair.server.heard().iter().filter(|line| line.starts_with("HOLD")).cloned().collect();
        for line in &held {
            pair.server.answer(line, "");
        }
        pair.drive();
        prop_assert_eq!(pair.server.ended(), None);
        prop_assert!(pair.server.session.owns_nothing());
        let heard = pair.server.heard();
        prop_assert!(heard.iter().all(|line| !line.starts_with("EVIL") && !line.starts_with("CANCEL")));
        let mut answered: Vec<_> = pair
            .client
            .answers()
            .iter()
            .map(|answer| answer.sequence.map(|sequence| sequence.to_string()).unwrap_or_default())
            .collect();
        answered.sort();
        let mut expected: Vec<_> = steps
            .iter()
            .enumerate()
            .filter(|(_, step)| !step.one_way && step.name != "CANCEL")
            .map(|(number, _)| number.to_string())
            .collect();
        expected.sort();
        prop_assert_eq!(answered, expected);
    }
}

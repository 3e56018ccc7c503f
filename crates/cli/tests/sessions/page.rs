//! What a page asks to be typed, and what it says is shown. Plays nothing.

/// What a page asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A line typed at a prompt, and what is shown then.
    Type { who: String, line: String, says: Vec<String>, then: Then },
    /// What the line that still runs shows after that.
    GoesOn { says: Vec<String>, then: Then },
    /// What the server's log says meanwhile, other lines aside.
    Log(Vec<String>),
    /// The server stops and starts.
    Restart,
}

/// What a page says of a line that was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// It showed that, and ended.
    Ends,
    /// It showed that, and runs.
    Runs,
}

/// The steps of a page, in its order. What is said of a block stands in a comment of its own before it.
pub(crate) fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut block: Option<Vec<&str>> = None;
    let mut comment = "";
    for line in page.lines() {
        match &mut block {
            Some(lines) if line == "```" => {
                steps.extend(played(lines, comment));
                (block, comment) = (None, "");
            }
            Some(lines) => lines.push(line),
            None if line == "```console" => block = Some(Vec::new()),
            None if line == "<!-- restart -->" => steps.push(Step::Restart),
            None if line.starts_with("<!--") => comment = line,
            None => {}
        }
    }
    steps
}

fn played(lines: &[&str], comment: &str) -> Vec<Step> {
    let owned = || lines.iter().map(|line| (*line).to_owned()).collect();
    match comment {
        "<!-- log -->" => vec![Step::Log(owned())],
        "<!-- goes on -->" => vec![Step::GoesOn { says: owned(), then: Then::Ends }],
        "<!-- goes on and runs -->" => vec![Step::GoesOn { says: owned(), then: Then::Runs }],
        "<!-- runs -->" => typed(lines, Then::Runs),
        "" => typed(lines, Then::Ends),
        other => panic!("{other} says nothing to those who play the page"),
    }
}

fn typed(lines: &[&str], last: Then) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for text in lines {
        if let Some((who, line)) = prompt(text) {
            let (who, line) = (who.to_owned(), line.to_owned());
            steps.push(Step::Type { who, line, says: Vec::new(), then: Then::Ends });
        } else if let Some(Step::Type { says, .. }) = steps.last_mut() {
            says.push((*text).to_owned());
        } else {
            panic!("{text:?} stands before the block's first prompt");
        }
    }
    if let Some(Step::Type { then, .. }) = steps.last_mut() {
        *then = last;
    }
    steps
}

/// `$ line` is typed by the server's operator, `alice$ line` by somebody with a home folder of her own.
fn prompt(text: &str) -> Option<(&str, &str)> {
    let (who, line) = text.split_once("$ ")?;
    who.chars().all(|c| c.is_ascii_lowercase()).then_some((who, line))
}

#[test]
fn pages_are_taken_apart() {
    let page = "```console\n$ a\n```\n<!-- restart -->\n```sh\n$ not\n```\n<!-- runs -->\n```console\n$ b\nc\nbob$ d\n```\n\
                <!-- goes on -->\n```console\ne\n```\n<!-- log -->\n```console\nf\n```\n";
    let typed = |who: &str, line: &str, says: &[&str], then| Step::Type {
        who: who.to_owned(),
        line: line.to_owned(),
        says: says.iter().map(|line| (*line).to_owned()).collect(),
        then,
    };
    let wanted = [
        typed("", "a", &[], Then::Ends),
        Step::Restart,
        typed("", "b", &["c"], Then::Ends),
        typed("bob", "d", &[], Then::Runs),
        Step::GoesOn { says: vec!["e".to_owned()], then: Then::Ends },
        Step::Log(vec!["f".to_owned()]),
    ];
    assert_eq!(steps(page), wanted);
}

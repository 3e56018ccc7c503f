//! `get`, `put`, `delete` and `list`: what goes where, and every way in which it ends.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::bench::{Place, Ran, Serving, at_terminal, has_script};

/// A place whose server is where its commands look for one.
struct Served {
    place: Place,
    server: Serving,
}

impl Served {
    fn new() -> Served {
        let place = Place::new();
        let server = place.serve();
        Served { place, server }
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.place.run(&[args, &["-s", &self.server.address]].concat())
    }

    /// What it prints, all else being quiet.
    #[track_caller]
    fn says(&self, args: &[&str], out: &str) {
        let ran = self.run(args);
        assert_eq!((ran.out().as_str(), ran.err.as_str(), ran.status), (out, "", 0), "{args:?}");
    }

    /// What it complains of; standard output is empty.
    #[track_caller]
    fn fails(&self, args: &[&str], status: i32, err: &str) {
        let ran = self.run(args);
        assert_eq!((ran.out().as_str(), ran.status), ("", status), "{args:?}: {}", ran.err);
        assert!(ran.err.starts_with(err), "{args:?}: {}", ran.err);
    }

    /// Its first line as JSON, and what follows.
    #[track_caller]
    fn json(&self, args: &[&str]) -> (Value, String, i32) {
        let ran = self.run(&[args, &["--json"]].concat());
        assert_eq!(ran.err, "", "{args:?}");
        let out = ran.out();
        let (line, rest) = out.split_once('\n').unwrap();
        (serde_json::from_str(line).unwrap(), rest.to_owned(), ran.status)
    }
}

#[test]
fn a_document_comes_from_everywhere_and_goes_everywhere() {
    let served = Served::new();
    let every: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    fs::write(served.place.path("every"), &every).unwrap();
    served.says(&["put", "a/1", "every"], "1\n");
    assert_eq!(served.run(&["get", "a/1"]).out, every);
    served.says(&["get", "a/1", "-o", "copy"], "");
    assert_eq!(fs::read(served.place.path("copy")).unwrap(), every);

    served.says(&["put", "a/2", "--body", "-x"], "2\n");
    served.says(&["get", "a/2"], "-x");
    served.says(&["get", "a/2", "-o", "-"], "-x");
    served.says(&["put", "empty", "--body", ""], "3\n");
    served.says(&["get", "empty"], "");
    let s = served.server.address.as_str();
    for (version, args) in [(4, &["put", "-s", s, "b"][..]), (5, &["put", "-s", s, "b", "-"])] {
        let ran = served.place.run_with_input(args, b"from a pipe");
        assert_eq!((ran.out(), ran.err.as_str()), (format!("{version}\n"), ""));
        served.says(&["get", "b"], "from a pipe");
    }
    served.says(&["delete", "b"], "6\n");
    served.fails(&["get", "b"], 1, "ERR: not-found: there is no document b\n");
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let served = Served::new();
    served.says(&["put", "a", "--body", "new"], "1\n");
    fs::write(served.place.path("file"), "old").unwrap();
    served.fails(&["get", "none", "-o", "file"], 1, "ERR: not-found: ");
    assert_eq!(fs::read(served.place.path("file")).unwrap(), b"old");
    served.says(&["get", "a", "-o", "file"], "");
    assert_eq!(fs::read(served.place.path("file")).unwrap(), b"new");
    served.fails(&["get", "a", "-o", "nowhere/file"], 6, "pinwire: nowhere/file: ");
    served.fails(&["get", "a", "-o", "."], 6, "pinwire: .: ");
    #[cfg(unix)]
    {
        served.says(&["get", "a", "-o", "/dev/null"], "");
        served.says(&["get", "a", "-o", "/dev/stdout"], "new");
    }
}

#[test]
fn a_conflict_says_the_current_version() {
    let served = Served::new();
    served.says(&["put", "a", "--body", "one", "--if-version", "0"], "1\n");
    served.says(&["put", "a", "--body", "two", "--if-version", "1"], "2\n");
    let hint = "a is at version 2 now: `pinwire get a` shows it, and then --if-version 2 ";
    for (args, end) in [
        (["put", "a", "--body=x", "--if-version=0"], "puts yours"),
        (["put", "a", "--body=x", "--if-version=1"], "puts yours"),
        (["delete", "a", "--if-version=1", "--timeout=9"], "deletes it"),
    ] {
        let ran = served.run(&args);
        assert_eq!((ran.status, ran.out().as_str()), (1, ""));
        assert!(ran.err.starts_with("ERR: conflict: a: ") && ran.err.contains("version 2"), "{}", ran.err);
        assert!(ran.err.ends_with(&format!("\n{hint}{end}\n")), "{}", ran.err);
    }
    let none = served.run(&["put", "none", "--body=x", "--if-version=7"]);
    assert!(none.err.ends_with("\nthere is no none now: --if-version 0 makes one\n"), "{}", none.err);
    served.says(&["get", "a"], "two");
    served.says(&["delete", "a", "--if-version", "2"], "3\n");
    let gone = served.run(&["delete", "a", "--if-version", "2"]);
    assert!(gone.status == 1 && gone.err.ends_with("\nthere is no a now\n"), "{}", gone.err);
    served.fails(&["delete", "a"], 1, "ERR: not-found: there is no document a\n");
}

#[test]
fn json_is_one_line_before_the_body() {
    let served = Served::new();
    let ok = |version: &str| json!({"status": "OK", "headers": {"Id": "a", "Version": version}});
    assert_eq!(served.json(&["put", "a", "--body", "{}"]), (ok("1"), String::new(), 0));
    assert_eq!(served.json(&["get", "a"]), (ok("1"), "{}".to_owned(), 0));
    assert_eq!(served.json(&["get", "a", "-o", "file"]), (ok("1"), String::new(), 0));
    assert_eq!(fs::read(served.place.path("file")).unwrap(), b"{}");
    assert_eq!(served.json(&["call", "GET", "a"]), (ok("1"), "{}".to_owned(), 0));

    let (line, rest, status) = served.json(&["put", "a", "--body", "x", "--if-version", "9"]);
    assert_eq!((&line["status"], &line["code"]), (&json!("ERR"), &json!("conflict")));
    assert!(line["text"].as_str().unwrap().contains("version 9 was expected"), "{line}");
    assert_eq!((&line["headers"], rest.as_str(), status), (&json!({"Version": "1"}), "", 1));

    let page = json!({"status": "OK", "headers": {}, "ids": ["a"]});
    assert_eq!(served.json(&["list"]), (page, String::new(), 0));
    assert_eq!(served.json(&["delete", "a"]), (ok("2"), String::new(), 0));
    let (line, rest, status) = served.json(&["get", "a"]);
    assert_eq!((&line["code"], rest.as_str(), status), (&json!("not-found"), "", 1));
    let (line, _, status) = served.json(&["call", "FROB"]);
    assert_eq!((&line["code"], status), (&json!("unknown-command"), 1));
}

#[test]
fn a_list_goes_over_all_pages() {
    let served = Served::new();
    let client = served.place.client(&served.server.address);
    let ids: Vec<String> = (0..2_500).map(|number| format!("n/{number:04}")).collect();
    std::thread::scope(|scope| {
        for some in ids.chunks(ids.len() / 50) {
            let client = client.clone();
            scope.spawn(move || some.iter().map(|id| client.put(id, "").unwrap()).max());
        }
    });
    client.put("other", "").unwrap();
    let lines = |ids: &[String]| ids.iter().fold(String::new(), |lines, id| lines + id + "\n");
    served.says(&["list"], &(lines(&ids) + "other\n"));
    served.says(&["list", "n/"], &lines(&ids));
    served.says(&["list", "n/1"], &lines(&ids[1000..2000]));
    served.says(&["list", "n/", "--limit", "1500"], &lines(&ids[..1500]));
    served.says(&["list", "n/", "--after", "n/1999", "--limit", "3"], &lines(&ids[2000..2003]));
    served.says(&["list", "--after", "n/2499"], "other\n");
    served.says(&["list", "nothing"], "");

    let pages = served.run(&["list", "n/", "--json"]).out();
    let pages: Vec<Value> = pages.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |page: &Value| page["ids"].as_array().unwrap().clone();
    assert_eq!(pages.iter().flat_map(of).collect::<Vec<_>>(), ids);
    let next: Vec<&Value> = pages.iter().map(|page| &page["headers"]["Next"]).collect();
    assert_eq!(next, [&json!("n/0999"), &json!("n/1999"), &Value::Null]);
}

/// As `| head` does.
#[test]
fn a_list_that_nobody_reads_on_ends() {
    let served = Served::new();
    served.says(&["put", "a", "--body", ""], "1\n");
    let mut list = served.place.program();
    list.args(["list", "-s", &served.server.address]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut list = list.spawn().unwrap();
    drop(list.stdout.take());
    let ran = Ran::from(list.wait_with_output().unwrap());
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
}

#[test]
fn what_is_too_large_is_refused_in_words() {
    let served = Served::new();
    fs::write(served.place.path("large"), vec![0; 1_048_577]).unwrap();
    served.fails(&["put", "a", "large"], 1, "ERR: body-too-large: a body may have 1048576 bytes");
    served.fails(&["get", "a"], 1, "ERR: not-found: ");
}

#[test]
fn whoever_types_a_document_is_told_how_it_ends() {
    if !has_script() {
        return;
    }
    let served = Served::new();
    let line = format!("put a -s {}", served.server.address);
    let typed = at_terminal(&served.place, &line, "typed\n");
    assert_eq!(typed.status, 0, "{}", typed.out());
    assert!(typed.out().contains("reading from standard input; Ctrl-D ends it"), "{}", typed.out());
    served.says(&["get", "a"], "typed\n");
}

#[test]
fn what_cannot_be_asked_is_2_and_asks_nobody() {
    let place = Place::new();
    let wrong: [&[&str]; 11] = [
        &["get"],
        &["get", "a b"],
        &["get", "a", "b"],
        &["put", "a b", "--body", "x"],
        &["put", "a", "file", "--body", "x"],
        &["put", "a", "--body", "x", "--if-version", "-1"],
        &["delete", "a", "--if-version", "0"],
        &["delete", "a", "--if-version", "new"],
        &["list", "a b"],
        &["list", "--limit", "0"],
        &["list", "--after", "a\nb"],
    ];
    for args in wrong {
        let ran = place.run(args);
        assert_eq!(ran.status, 2, "{args:?}: {}", ran.err);
        assert!(!ran.err.is_empty() && ran.out.is_empty());
    }
    assert_eq!(place.run(&["put", "a", "nowhere"]).status, 6);
    assert!(!place.path("home").exists(), "nothing was made on the way");
}

#[test]
fn a_page_that_is_cut_says_where_the_next_one_begins() {
    let place = Place::new();
    let server = place.serve_with(&["--listen", "127.0.0.1:0", "--store", "memory"]);
    let served = Served { place, server };
    let client = served.place.client(&served.server.address);
    let ids: Vec<String> = (0..1_003).map(|number| format!("n/{number:04}")).collect();
    for id in &ids {
        client.put(id, "").unwrap();
    }
    let last = |args: &[&str]| {
        let ran = served.run(&[&["list", "--json"], args].concat());
        let page: Value = serde_json::from_str(ran.out().lines().last().unwrap()).unwrap();
        let count = page["ids"].as_array().unwrap().len();
        (count, page["headers"]["Next"].as_str().map(str::to_owned))
    };
    let next = |id: &str| Some(id.to_owned());
    assert_eq!(last(&["--limit", "2"]), (2, next("n/0001")), "the server's page goes further");
    assert_eq!(last(&["--limit", "1000"]), (1000, next("n/0999")), "the server's own");
    assert_eq!(last(&["--limit", "1002"]), (2, next("n/1001")), "the second page is cut");
    assert_eq!(last(&["--limit", "1003"]), (3, None), "there is no more");
    assert_eq!(last(&["--after", "n/0999", "--limit", "2"]), (2, next("n/1001")), "of a last page");
    assert_eq!(last(&["--after", "n/0999", "--limit", "3"]), (3, None));
    assert_eq!(last(&["--after", "n/0999", "--limit", "9"]), (3, None));
}

#[test]
fn a_body_means_the_same_to_put_and_to_call() {
    let served = Served::new();
    let bytes = [0xff, 0, b'\n'];
    fs::write(served.place.path("bin"), bytes).unwrap();
    served.says(&["put", "y", "--body", "@bin"], "1\n");
    assert_eq!(served.run(&["get", "y"]).out, bytes);
    let args = ["put", "y", "--body", "-", "-s", &served.server.address];
    assert_eq!(served.place.run_with_input(&args, b"from a pipe").out(), "2\n");
    served.says(&["get", "y"], "from a pipe");
    served.fails(&["put", "y", "--body", "@nowhere"], 6, "pinwire: nowhere: ");
    served.fails(&["put", "y", "--body", "@"], 2, "pinwire: --body @ names no file");

    let help = |command| {
        let help = served.place.ok(&[command, "--help"]);
        let (_, help) = help.split_once("--body <TEXT|@FILE|->").unwrap();
        help.split_once("\n\n").unwrap().0.to_owned()
    };
    assert_eq!(help("put"), help("call"));
}

#[cfg(target_os = "linux")]
#[test]
fn what_standard_output_goes_to_is_written_and_not_replaced() {
    use std::os::unix::fs::{MetadataExt as _, symlink};
    let served = Served::new();
    served.says(&["put", "a", "--body", "new"], "1\n");
    symlink("/dev/stdout", served.place.path("link")).unwrap();
    for target in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "-", "link", "../../dev/../dev/stdout"] {
        let path = served.place.path("redirected");
        fs::write(&path, "before\n").unwrap();
        let file = fs::File::options().append(true).open(&path).unwrap();
        let before = file.metadata().unwrap().ino();
        let mut get = served.place.program();
        let depth = "../".repeat(served.place.path("").components().count());
        let target = target.replacen("../../", &depth, 1);
        get.args(["get", "a", "-s", &served.server.address, "-o", &target]).stdout(file);
        assert!(get.status().unwrap().success(), "{target}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "before\nnew", "{target}");
        assert_eq!(fs::metadata(&path).unwrap().ino(), before, "{target}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_stays_a_link() {
    use std::os::unix::fs::symlink;
    let served = Served::new();
    served.says(&["put", "a", "--body", "new"], "1\n");
    let (link, real) = (served.place.path("link"), served.place.path("real"));
    symlink("real", &link).unwrap();
    served.fails(&["get", "a", "-o", "link"], 6, "pinwire: link: it is a link to real, which is not there");
    assert!(link.is_symlink() && !real.exists());
    fs::write(&real, "old").unwrap();
    served.says(&["get", "a", "-o", "link"], "");
    assert!(link.is_symlink() && fs::read(&real).unwrap() == b"new");
    assert!(served.place.ok(&["get", "--help"]).contains("\"-\" is standard output"));
}

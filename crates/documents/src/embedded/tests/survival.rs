//! Random stories of failing syncs and power that goes: what was answered is remembered, and looked for.

use super::*;

/// The whole promise: whatever fails and whenever the power goes, what was answered OK is there, nothing is
/// half there, and versions rise.
#[test]
fn what_was_answered_survives_failing_syncs_and_the_loss_of_power() {
    for seed in 0..30 {
        let disk = Disk::new(seed);
        let mut known = Known::default();
        for _ in 0..4 {
            let store = disk.store(Limits { history: 20, ..Limits::default() });
            known.check(&store, seed);
            let rounds = disk.state().below(30);
            for _ in 0..rounds {
                if disk.state().below(8) == 0 {
                    let sync = 1 + disk.state().below(4);
                    disk.state().fails_sync_in = sync;
                }
                let number = disk.state().below(10) as usize;
                let is_delete = disk.state().below(4) == 0;
                known.change(&store, number, is_delete);
            }
            // Some are under way when it happens: they may be there or not.
            let under_way: Vec<_> = (0..5).map(|number| known.begin(&store, number)).collect();
            disk.lose_power(|| drop(store));
            for (number, asked) in under_way.into_iter().enumerate() {
                known.ended(number, done(asked));
            }
        }
        known.check(&disk.store(Limits::default()), seed);
    }
}

/// What each document may be: one body, or several since a change whose outcome is unknown.
#[derive(Default)]
struct Known {
    may_be: [Vec<Option<String>>; 10],
    newest: Version,
    written: u64,
}

impl Known {
    fn body(&mut self) -> String {
        self.written += 1;
        // Some pages long: what is half written would show.
        format!("{}/", self.written).repeat(self.written as usize * 37 % 2_000 + 1)
    }

    fn change(&mut self, store: &Embedded, number: usize, is_delete: bool) {
        let body = (!is_delete).then(|| self.body());
        let name = number.to_string();
        let result = done(match &body {
            Some(body) => store.put(id(&name), body.as_bytes(), None),
            None => store.delete(id(&name), None),
        });
        self.may_be_now(number, body);
        self.ended(number, result);
    }

    fn begin(&mut self, store: &Embedded, number: usize) -> Asked<Version> {
        let body = self.body();
        let asked = store.put(id(&number.to_string()), body.as_bytes(), None);
        self.may_be_now(number, Some(body));
        asked
    }

    fn may_be_now(&mut self, number: usize, body: Option<String>) {
        if self.may_be[number].is_empty() {
            self.may_be[number].push(None);
        }
        self.may_be[number].push(body);
    }

    fn ended(&mut self, number: usize, result: Result<Version, StoreError>) {
        match result {
            Ok(version) => {
                assert!(version > self.newest, "{version} after {}", self.newest);
                self.newest = version;
                let last = self.may_be[number].pop().unwrap();
                self.may_be[number] = vec![last];
            }
            Err(StoreError::NotFound) => {
                assert!(self.may_be[number].contains(&None));
                self.may_be[number] = vec![None];
            }
            Err(error) => assert!(matches!(error, StoreError::Broken(_)), "{error:?}"),
        }
    }

    fn check(&mut self, store: &Embedded, seed: u64) {
        for (number, may_be) in self.may_be.iter_mut().enumerate() {
            let found = get(store, &number.to_string()).unwrap();
            let found = found.map(|(version, body)| {
                self.newest = self.newest.max(version);
                String::from_utf8(body).unwrap()
            });
            let is_right = may_be.contains(&found) || may_be.is_empty() && found.is_none();
            assert!(is_right, "seed {seed}, document {number}");
            *may_be = vec![found];
        }
        let (kept, _) = history(store);
        assert!(kept.windows(2).all(|two| two[0].0 + 1 == two[1].0), "seed {seed}: {kept:?}");
    }
}

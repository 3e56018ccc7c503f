//! Makes a failing schedule small: takes steps out, then makes those that are left plain, until nothing of it
//! can go. Knows nothing of why it fails.

use super::schedule::{Command, Schedule, Step};

/// The smallest schedule that can be found from here for which `fails` still says so.
pub fn shrink(mut schedule: Schedule, mut fails: impl FnMut(&Schedule) -> bool) -> Schedule {
    loop {
        let before = schedule.clone();
        let late = Schedule { is_early: false, ..schedule.clone() };
        if schedule.is_early && fails(&late) {
            schedule = late;
        }
        let clear = Schedule { is_tls: false, is_early: false, ..schedule.clone() };
        if schedule.is_tls && fails(&clear) {
            schedule = clear;
        }
        schedule = drop_chunks(schedule, &mut fails);
        schedule = simplify(schedule, &mut fails);
        if schedule == before {
            return schedule;
        }
    }
}

/// Takes halves out, then quarters, down to single steps.
fn drop_chunks(mut schedule: Schedule, fails: &mut impl FnMut(&Schedule) -> bool) -> Schedule {
    let mut length = schedule.steps.len().div_ceil(2);
    while length > 0 {
        let mut at = 0;
        while at < schedule.steps.len() {
            let mut shorter = schedule.clone();
            shorter.steps.drain(at..(at + length).min(schedule.steps.len()));
            match fails(&shorter) {
                true => schedule = shorter,
                false => at += length,
            }
        }
        length /= 2;
    }
    schedule
}

fn simplify(mut schedule: Schedule, fails: &mut impl FnMut(&Schedule) -> bool) -> Schedule {
    for at in 0..schedule.steps.len() {
        while let Some(simpler) = simpler(&schedule.steps[at])
            .into_iter()
            .map(|step| {
                let mut simpler = schedule.clone();
                simpler.steps[at] = step;
                simpler
            })
            .find(|simpler| fails(simpler))
        {
            schedule = simpler;
        }
    }
    schedule
}

/// Steps that do the same with less to read, the plainest first; each leads to fewer.
fn simpler(step: &Step) -> Vec<Step> {
    match step {
        Step::Say(command) => commands(command).into_iter().map(Step::Say).collect(),
        Step::Cancel(sequence, Some(_)) => vec![Step::Cancel(*sequence, None)],
        Step::Write(most) => amounts(*most).into_iter().map(Step::Write).collect(),
        Step::Up(most) => amounts(*most).into_iter().map(Step::Up).collect(),
        Step::Down(most) => amounts(*most).into_iter().map(Step::Down).collect(),
        Step::Room(most) => amounts(*most).into_iter().map(Step::Room).collect(),
        Step::Reserve(bytes) => amounts(*bytes).into_iter().map(Step::Reserve).collect(),
        Step::Give(out, come) => {
            let outs = amounts(*out).into_iter().map(|out| Step::Give(out, *come));
            outs.chain(amounts(*come).into_iter().map(|come| Step::Give(*out, come))).collect()
        }
        Step::Answer(number, size) if *size > 0 => {
            vec![Step::Answer(*number, 0), Step::Answer(*number, size / 2)]
        }
        Step::Wait(millis) if *millis > 1 => vec![Step::Wait(1), Step::Wait(millis / 2)],
        Step::Drift(millis) if *millis > 1 => vec![Step::Drift(1), Step::Drift(millis / 2)],
        Step::Clock(seconds) if seconds.unsigned_abs() > 1 => {
            vec![Step::Clock(seconds.signum()), Step::Clock(seconds / 2)]
        }
        Step::Fin(lost) if *lost > 0 => vec![Step::Fin(0), Step::Fin(lost / 2)],
        _ => Vec::new(),
    }
}

/// All of it, or half.
fn amounts(most: usize) -> Vec<usize> {
    match most {
        usize::MAX | 0 | 1 => Vec::new(),
        _ => vec![usize::MAX, most / 2],
    }
}

fn commands(command: &Command) -> Vec<Command> {
    let mut found = Vec::new();
    let mut add = |change: &dyn Fn(&mut Command)| {
        let mut simpler = command.clone();
        change(&mut simpler);
        if simpler != *command {
            found.push(simpler);
        }
    };
    add(&|command| command.size = None);
    add(&|command| command.timeout = None);
    add(&|command| command.head = None);
    add(&|command| command.size = command.size.map(|size| size / 2));
    add(&|command| command.timeout = command.timeout.map(|millis| (millis / 2).max(1)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_what_it_takes() {
        let fails = |schedule: &Schedule| {
            let at = |wanted: &dyn Fn(&Step) -> bool| schedule.steps.iter().position(wanted);
            let large = at(&|step| matches!(step, Step::Say(command) if command.size >= Some(1_000)));
            let cut = at(&|step| *step == Step::Reset);
            large.zip(cut).is_some_and(|(large, cut)| large < cut)
        };
        let long = (0..10_000).map(Schedule::from_seed).find(|schedule| fails(schedule) && schedule.is_tls);
        let long = long.expect("some seed has both");
        assert!(long.steps.len() > 10);
        let short = shrink(long, fails);
        let [Step::Say(command), Step::Reset] = &short.steps[..] else { panic!("{short}") };
        assert!(!short.is_tls && command.timeout.is_none() && command.head.is_none());
        assert!((1_000..2_000).contains(&command.body_size()), "{short}");
    }

    #[test]
    fn what_always_fails_is_nothing_at_all() {
        assert_eq!(
            shrink(Schedule::from_seed(1), |_| true),
            Schedule { is_tls: false, is_early: false, steps: Vec::new() }
        );
    }
}

//! Cron expressions and periods: what is taken has ticks that move on, is quick to reckon with, and
//! is written as it was read.
#![no_main]

use arbitrary::Arbitrary;
use chrono::DateTime;
use jobs::schedules::Spec;
use libfuzzer_sys::fuzz_target;

const ATOMS: [&str; 40] = [
    "*", "/", "-", ",", " ", "0", "1", "2", "5", "6", "7", "9", "12", "15", "23", "28", "29", "30",
    "31", "59", "60", "100", "JAN", "feb", "DEC", "MON", "sun", "L", "W", "#", "?", "every ", "s",
    "90s", "* ", "*/", "1-5", "L*", "@daily", "\t",
];

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Text(&'a str, i64),
    Fields([Vec<u8>; 5], i64),
    Atoms(Vec<u8>, i64),
}

fuzz_target!(|input: Input<'_>| {
    let atoms = |atoms: &[u8]| -> String {
        let atom = |at: &u8| ATOMS[usize::from(*at) % ATOMS.len()];
        atoms.iter().take(30).map(atom).collect()
    };
    let (text, at) = match &input {
        Input::Text(text, at) => ((*text).to_owned(), *at),
        Input::Fields(fields, at) => {
            let fields: Vec<String> = fields.iter().map(|field| atoms(field)).collect();
            (fields.join(" "), *at)
        }
        Input::Atoms(all, at) => (atoms(all), *at),
    };
    let Ok(spec) = text.parse::<Spec>() else {
        return;
    };
    let written = spec.to_string();
    let again: Spec = written.parse().expect("a schedule reads back");
    assert_eq!(again.to_string(), written);
    // The years from 1970 to 2262.
    let at =
        DateTime::from_timestamp(at.rem_euclid(9_200_000_000), 0).expect("within the calendar");
    let next = spec.next_after(at).expect("there is a next tick");
    assert!(next > at, "{written}: {next} is not after {at}");
    assert_eq!(again.next_after(at), Some(next));
    assert_eq!(spec.last_until(next), Some(next), "{written}");
    if let Some(last) = spec.last_until(at) {
        assert!(last <= at, "{written}: {last} is after {at}");
        assert_eq!(spec.next_after(last), Some(next), "{written}");
    }
});

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use proptest::prelude::*;

use super::Spec;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn spec(text: &str) -> Spec {
    text.parse().unwrap()
}

#[test]
fn a_daily_tick_keeps_its_hour_in_utc_over_every_change_of_clocks() {
    // In 2026 clocks change on 29 March and 25 October in Europe, 8 March and 1 November in America.
    let daily = spec("30 2 * * *");
    let mut tick = at("2026-01-01T02:30:00Z");
    for _ in 0..365 {
        let next = daily.next_after(tick).unwrap();
        assert_eq!(next - tick, TimeDelta::days(1));
        tick = next;
    }
}

#[test]
fn ticks_of_a_period_stand_at_its_whole_multiples_whoever_asks() {
    let every = spec("every 90s");
    let asked = at("2026-03-01T00:00:10.5Z");
    let next = every.next_after(asked).unwrap();
    assert_eq!(next.timestamp() % 90, 0);
    assert_eq!(
        every.next_after(next).unwrap() - next,
        TimeDelta::seconds(90)
    );
    assert_eq!(every.last_until(next).unwrap(), next);
    assert_eq!(
        every.last_until(next - TimeDelta::milliseconds(1)).unwrap(),
        next - TimeDelta::seconds(90)
    );
}

#[test]
fn a_fraction_of_a_second_neither_repeats_nor_skips_a_tick() {
    let minutely = spec("* * * * *");
    for (asked, next, last) in [
        (
            "2026-03-01T10:00:00Z",
            "2026-03-01T10:01:00Z",
            "2026-03-01T10:00:00Z",
        ),
        (
            "2026-03-01T10:00:00.000001Z",
            "2026-03-01T10:01:00Z",
            "2026-03-01T10:00:00Z",
        ),
        (
            "2026-03-01T09:59:59.999999Z",
            "2026-03-01T10:00:00Z",
            "2026-03-01T09:59:00Z",
        ),
    ] {
        assert_eq!(minutely.next_after(at(asked)), Some(at(next)), "{asked}");
        assert_eq!(minutely.last_until(at(asked)), Some(at(last)), "{asked}");
    }
}

#[test]
fn what_says_no_times_is_refused_with_a_reason() {
    let long = format!("{} * * * *", "1,".repeat(200));
    for text in [
        "",
        "   ",
        "* * * *",
        "* * * * * *",
        "0 * * * * * 2026",
        "@hourly",
        "@ @ @ @ @",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5-1 * * * *",
        "*/0 * * * *",
        "a b c d e",
        "é * * * *",
        "0 0 30 2 *",
        ", * * * *",
        "1,,2 * * * *",
        "1 1 31W 2 *",
        "0 0 L * *",
        "0 0 * * 5#2",
        "0 0 1 * +1",
        "0 0 ? * *",
        "0 0 1- * *",
        "/5 * * * *",
        "5/ * * * *",
        "every",
        "every 0s",
        "every -1s",
        "every +1s",
        "every 1m",
        "every 1 s",
        "every 99999999999999999999s",
        "every 31622401s",
        long.as_str(),
    ] {
        let refused = text.parse::<Spec>().expect_err(text);
        assert!(refused.to_string().len() > 10, "{text}: {refused}");
    }
}

#[test]
fn the_text_of_a_spec_is_kept_with_single_spaces() {
    assert_eq!(spec("  7  *  * * *  ").to_string(), "7 * * * *");
    assert_eq!(spec("every   5s").to_string(), "every 5s");
    assert_eq!(spec("0 9 * * MON-FRI").to_string(), "0 9 * * MON-FRI");
    assert_eq!(spec("0 0 29 2 *").to_string(), "0 0 29 2 *");
}

/// A field of a cron expression, and the values that it names; `None` for the star.
#[derive(Clone, Debug)]
struct Field {
    text: String,
    values: Option<BTreeSet<u32>>,
}

impl Field {
    fn names(&self, value: u32) -> bool {
        self.values
            .as_ref()
            .is_none_or(|values| values.contains(&value))
    }
}

fn field(min: u32, max: u32) -> impl Strategy<Value = Field> {
    let star = Just(Field {
        text: "*".to_owned(),
        values: None,
    });
    let list = prop::collection::btree_set(min..=max, 1..4).prop_map(|values| Field {
        text: values
            .iter()
            .map(u32::to_string)
            .collect::<Vec<_>>()
            .join(","),
        values: Some(values),
    });
    let range = (min..=max, min..=max, 1_u32..10).prop_map(|(a, b, step)| {
        let (from, to) = (a.min(b), a.max(b));
        Field {
            text: format!("{from}-{to}/{step}"),
            values: Some((from..=to).step_by(step as usize).collect()),
        }
    });
    prop_oneof![star, list, range]
}

/// Whether a minute matches: read from the manual of cron, not from the code under test. Where both
/// the day of the month and the day of the week are narrowed, one of them is enough.
fn matches(fields: &[Field; 5], minute: DateTime<Utc>) -> bool {
    let [minutes, hours, days, months, weekdays] = fields;
    let day = days.names(minute.day());
    let weekday = weekdays.names(minute.weekday().num_days_from_sunday());
    let is_day = match (&days.values, &weekdays.values) {
        (Some(_), Some(_)) => day || weekday,
        _ => day && weekday,
    };
    minutes.names(minute.minute())
        && hours.names(minute.hour())
        && months.names(minute.month())
        && is_day
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_next_tick_of_cron_is_the_first_minute_that_matches(
        fields in (field(0, 59), field(0, 23), field(1, 28), field(1, 12), field(0, 6)),
        seconds in 1_700_000_000_i64..2_000_000_000,
        nanos in 0_u32..1_000_000_000,
    ) {
        let fields = [fields.0, fields.1, fields.2, fields.3, fields.4];
        let text = fields.each_ref().map(|field| field.text.as_str()).join(" ");
        let spec: Spec = text.parse().unwrap();
        let asked = DateTime::from_timestamp(seconds, nanos).unwrap();
        let next = spec.next_after(asked).unwrap();
        prop_assert!(next > asked);
        prop_assert_eq!(next.timestamp() % 60, 0);
        prop_assert!(matches(&fields, next), "{} named {}", text, next);
        // Nothing between matches; a week of minutes is enough to find what is wrong.
        let mut minute = DateTime::from_timestamp(seconds - seconds % 60 + 60, 0).unwrap();
        for _ in 0..7 * 24 * 60 {
            if minute >= next {
                break;
            }
            prop_assert!(!matches(&fields, minute), "{} left {} out", text, minute);
            minute += TimeDelta::minutes(1);
        }
        // And back: the last one until the next is the next, until a moment before it an earlier one.
        prop_assert_eq!(spec.last_until(next), Some(next));
        if let Some(last) = spec.last_until(next - TimeDelta::microseconds(1)) {
            prop_assert!(last <= asked);
            prop_assert_eq!(spec.next_after(last), Some(next));
        }
    }

    #[test]
    fn the_next_tick_of_a_period_is_at_most_a_period_away(
        period in 1_i64..100_000, seconds in -1_000_000_i64..2_000_000_000, nanos in 0_u32..1_000_000_000,
    ) {
        let spec: Spec = format!("every {period}s").parse().unwrap();
        let asked = DateTime::from_timestamp(seconds, nanos).unwrap();
        let (last, next) = (spec.last_until(asked).unwrap(), spec.next_after(asked).unwrap());
        prop_assert!(last <= asked && asked < next);
        prop_assert_eq!(next - last, TimeDelta::seconds(period));
        prop_assert_eq!(next.timestamp().rem_euclid(period), 0);
    }

    #[test]
    fn no_text_breaks_the_reader_or_keeps_it_busy(
        text in "[ -~é]{0,40}", field in "[0-9*/,LW#?+@A-Z-]{1,20}", day in 1_u32..=31, month in 1_u32..=12,
    ) {
        for text in [
            text.clone(),
            format!("{field} * * * *"),
            format!("1 1 {field} * {field}"),
            format!("1 1 {day} {month} *"),
        ] {
            text.parse::<Spec>().ok();
        }
    }
}

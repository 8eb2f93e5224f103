//! What an owner may say of an account's pace.
//!
//! Shape: the value of `pace` -> [`PaceEdit`], which makes a new [`Pace`] of an old one. A field that is absent stays, `null`
//! switches a limit off.
//!
//! Not here: what the limits do (the dispatcher's rules).

use angelia_shared::event::directory::{Pace, QuietHours, TimeOfDay, WarmUp};
use angelia_shared::units::UnixMillis;
use chrono_tz::Tz;
use serde_json::{Map, Value};

use super::input::{InputFault, whole};

/// Bounds of a gap's ends, in milliseconds. A short one is no human pace, but right for a sandbox; a day says "hardly ever".
const GAP_MS: std::ops::RangeInclusive<u64> = 1..=86_400_000;
/// Bounds of a cap. No account sends more in a day at the shortest gap that is worth a cap.
const CAP: std::ops::RangeInclusive<u64> = 1..=1_000_000;
/// Bounds of the gap between two messages to one recipient, in milliseconds: up to a day.
const RECIPIENT_GAP_MS: std::ops::RangeInclusive<u64> = 1..=86_400_000;
/// Bounds of the days of a warm-up.
const WARM_UP_DAYS: std::ops::RangeInclusive<u64> = 1..=365;

/// Changes of a pace. The outer `None` stays as it is, the inner one is off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaceEdit {
    gap_ms: Option<(u64, u64)>,
    hourly_cap: Option<Option<u32>>,
    daily_cap: Option<Option<u32>>,
    quiet_hours: Option<Option<QuietHours>>,
    recipient_gap_ms: Option<Option<u64>>,
    warm_up: Option<Option<WarmUpEdit>>,
}

/// A warm-up as its owner gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct WarmUpEdit {
    since: Option<UnixMillis>,
    first_day: u32,
    more_each_day: u32,
    days: u16,
}

impl PaceEdit {
    /// Reads the value of `pace`.
    ///
    /// # Errors
    /// The first field that breaks a rule, by its name.
    pub fn read(value: Value) -> Result<Self, InputFault> {
        let Value::Object(mut fields) = value else { return Err(InputFault::of("pace", "must be an object")) };
        let edit = Self {
            gap_ms: gap(fields.remove("gap_ms"))?,
            hourly_cap: limit(&mut fields, "hourly_cap", |value| cap("pace.hourly_cap", &value))?,
            daily_cap: limit(&mut fields, "daily_cap", |value| cap("pace.daily_cap", &value))?,
            quiet_hours: limit(&mut fields, "quiet_hours", quiet_hours)?,
            recipient_gap_ms: limit(&mut fields, "recipient_gap_ms", |value| {
                number("pace.recipient_gap_ms", Some(&value), RECIPIENT_GAP_MS)
            })?,
            warm_up: limit(&mut fields, "warm_up", warm_up)?,
        };
        nothing_left("pace", &fields)?;
        Ok(edit)
    }

    /// The pace after this change, which is made at `now`. A warm-up without a beginning goes on as long as there is one,
    /// and otherwise begins now.
    pub fn applied(&self, old: &Pace, now: UnixMillis) -> Pace {
        let since = old.warm_up.map_or(now, |old| old.since);
        let warm_up = |edit: WarmUpEdit| WarmUp {
            since: edit.since.unwrap_or(since),
            first_day: edit.first_day,
            more_each_day: edit.more_each_day,
            days: edit.days,
        };
        Pace {
            gap_ms: self.gap_ms.unwrap_or(old.gap_ms),
            hourly_cap: self.hourly_cap.unwrap_or(old.hourly_cap),
            daily_cap: self.daily_cap.unwrap_or(old.daily_cap),
            quiet_hours: self.quiet_hours.clone().unwrap_or_else(|| old.quiet_hours.clone()),
            recipient_gap_ms: self.recipient_gap_ms.unwrap_or(old.recipient_gap_ms),
            warm_up: self.warm_up.map_or(old.warm_up, |edit| edit.map(warm_up)),
        }
    }
}

/// Takes a limit: absent, off (`null`), or what `read` makes of it.
fn limit<T>(
    fields: &mut Map<String, Value>,
    name: &str,
    read: impl FnOnce(Value) -> Result<T, InputFault>,
) -> Result<Option<Option<T>>, InputFault> {
    match fields.remove(name) {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(value) => read(value).map(|value| Some(Some(value))),
    }
}

fn gap(value: Option<Value>) -> Result<Option<(u64, u64)>, InputFault> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let ends: Option<Vec<u64>> = value.as_array().and_then(|ends| ends.iter().map(whole_number).collect());
    match ends.as_deref() {
        Some([low, high]) if low <= high && GAP_MS.contains(low) && GAP_MS.contains(high) => Ok(Some((*low, *high))),
        _ => Err(InputFault::of(
            "pace.gap_ms",
            format!(
                "must be [low,high], whole milliseconds with {} <= low <= high <= {}",
                GAP_MS.start(),
                GAP_MS.end()
            ),
        )),
    }
}

fn whole_number(value: &Value) -> Option<u64> {
    value.as_number().and_then(whole)
}

fn number(
    field: &'static str,
    value: Option<&Value>,
    bounds: std::ops::RangeInclusive<u64>,
) -> Result<u64, InputFault> {
    let fault = || InputFault::of(field, format!("must be a whole number from {} to {}", bounds.start(), bounds.end()));
    value.and_then(whole_number).filter(|number| bounds.contains(number)).ok_or_else(fault)
}

fn cap(field: &'static str, value: &Value) -> Result<u32, InputFault> {
    number(field, Some(value), CAP).map(|cap| u32::try_from(cap).expect("its bound fits"))
}

fn quiet_hours(value: Value) -> Result<QuietHours, InputFault> {
    let Value::Object(mut fields) = value else {
        return Err(InputFault::of("pace.quiet_hours", "must be an object with `from`, `to` and `time_zone`, or null"));
    };
    let mut time = |field: &'static str, name: &str| {
        let value = fields.remove(name);
        let time = value.as_ref().and_then(Value::as_str).and_then(TimeOfDay::parse);
        time.ok_or_else(|| InputFault::of(field, "must be a time of day from \"00:00\" to \"23:59\""))
    };
    let from = time("pace.quiet_hours.from", "from")?;
    let to = time("pace.quiet_hours.to", "to")?;
    if from == to {
        return Err(InputFault::of("pace.quiet_hours.to", "must differ from `from`"));
    }
    let zone = fields.remove("time_zone").and_then(|value| value.as_str()?.parse::<Tz>().ok());
    let fault = || InputFault::of("pace.quiet_hours.time_zone", "must be an IANA time zone like \"Europe/Berlin\"");
    let time_zone = zone.ok_or_else(fault)?.name().to_owned();
    nothing_left("pace.quiet_hours", &fields)?;
    Ok(QuietHours { from, to, time_zone })
}

fn warm_up(value: Value) -> Result<WarmUpEdit, InputFault> {
    let Value::Object(mut fields) = value else {
        return Err(InputFault::of(
            "pace.warm_up",
            "must be an object with `first_day`, `more_each_day` and `days`, or null",
        ));
    };
    let since = match fields.remove("since").filter(|value| !value.is_null()) {
        None => None,
        Some(value) => {
            let since = value.as_str().and_then(UnixMillis::from_rfc3339);
            Some(since.ok_or_else(|| InputFault::of("pace.warm_up.since", "must be an RFC 3339 time"))?)
        }
    };
    let mut take = |field, name: &str, bounds| number(field, fields.remove(name).as_ref(), bounds);
    let first_day = take("pace.warm_up.first_day", "first_day", CAP)?;
    let more_each_day = take("pace.warm_up.more_each_day", "more_each_day", 0..=*CAP.end())?;
    let days = take("pace.warm_up.days", "days", WARM_UP_DAYS)?;
    nothing_left("pace.warm_up", &fields)?;
    Ok(WarmUpEdit {
        since,
        first_day: u32::try_from(first_day).expect("its bound fits"),
        more_each_day: u32::try_from(more_each_day).expect("its bound fits"),
        days: u16::try_from(days).expect("its bound fits"),
    })
}

fn nothing_left(field: &'static str, fields: &Map<String, Value>) -> Result<(), InputFault> {
    match fields.keys().next() {
        None => Ok(()),
        // A name that a caller made up may be as long as the body.
        Some(name) => {
            let name: String = name.chars().take(64).collect();
            Err(InputFault::of(field, format!("has no field `{name}`")))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_763_827_200_123);

    fn edited(old: &Pace, value: Value) -> Pace {
        PaceEdit::read(value).expect("an edit").applied(old, NOW)
    }

    fn all_limits() -> Value {
        json!({"gap_ms": [3_000, 4_000], "hourly_cap": 60, "daily_cap": 500,
            "quiet_hours": {"from": "21:30", "to": "08:00", "time_zone": "Europe/Berlin"}, "recipient_gap_ms": 60_000,
            "warm_up": {"first_day": 20, "more_each_day": 15, "days": 30}})
    }

    #[test]
    fn what_is_absent_stays_and_null_switches_off() {
        let all = edited(&Pace::default(), all_limits());
        assert_eq!(edited(&all, json!({})), all);
        let without_cap = edited(&all, json!({"daily_cap": null, "gap_ms": null}));
        assert_eq!(without_cap, Pace { daily_cap: None, ..all.clone() });
        let off = json!({"hourly_cap": null, "daily_cap": null, "quiet_hours": null, "recipient_gap_ms": null,
            "warm_up": null, "gap_ms": [1_500, 2_500]});
        assert_eq!(edited(&all, off), Pace::default());
        let quiet = all.quiet_hours.expect("it was set");
        assert_eq!((quiet.from.minutes(), quiet.to.minutes(), &*quiet.time_zone), (1_290, 480, "Europe/Berlin"));
    }

    #[test]
    fn a_warm_up_begins_when_it_is_set_and_goes_on_when_it_is_changed() {
        let first = edited(&Pace::default(), all_limits());
        assert_eq!(first.warm_up.map(|warm_up| warm_up.since), Some(NOW));
        let faster = json!({"warm_up": {"first_day": 50, "more_each_day": 0, "days": 3}});
        let later = PaceEdit::read(faster).expect("an edit").applied(&first, NOW.plus_ms(99));
        assert_eq!(later.warm_up, Some(WarmUp { since: NOW, first_day: 50, more_each_day: 0, days: 3 }));
        let given =
            json!({"warm_up": {"first_day": 1, "more_each_day": 1, "days": 1, "since": "2026-01-01T00:00:00Z"}});
        let since = edited(&first, given).warm_up.map(|warm_up| warm_up.since);
        assert_eq!(since, UnixMillis::from_rfc3339("2026-01-01T00:00:00Z"));
    }

    #[test]
    fn each_fault_names_its_field() {
        let quiet = |field: &str, value: Value| {
            let mut quiet = all_limits()["quiet_hours"].clone();
            quiet[field] = value;
            json!({"quiet_hours": quiet})
        };
        let warm_up = |field: &str, value: Value| {
            let mut warm_up = all_limits()["warm_up"].clone();
            warm_up[field] = value;
            json!({"warm_up": warm_up})
        };
        let bad = [
            ("pace", json!([1_500, 2_500])),
            ("pace", json!({"weekly_cap": 5})),
            ("pace.gap_ms", json!({"gap_ms": [2_500, 1_500]})),
            ("pace.gap_ms", json!({"gap_ms": [0, 1_500]})),
            ("pace.gap_ms", json!({"gap_ms": [1_500]})),
            ("pace.gap_ms", json!({"gap_ms": [1_500, "a", 2_500]})),
            ("pace.gap_ms", json!({"gap_ms": [1_500, 86_400_001]})),
            ("pace.hourly_cap", json!({"hourly_cap": 0})),
            ("pace.hourly_cap", json!({"hourly_cap": "60"})),
            ("pace.daily_cap", json!({"daily_cap": -5})),
            ("pace.daily_cap", json!({"daily_cap": 1_000_001})),
            ("pace.recipient_gap_ms", json!({"recipient_gap_ms": 1.5})),
            ("pace.recipient_gap_ms", json!({"recipient_gap_ms": 86_400_001})),
            ("pace.quiet_hours", json!({"quiet_hours": "22-08"})),
            ("pace.quiet_hours", quiet("days", json!(["mon"]))),
            ("pace.quiet_hours.from", quiet("from", json!("9:00"))),
            ("pace.quiet_hours.to", quiet("to", json!("24:00"))),
            ("pace.quiet_hours.to", quiet("to", json!("21:30"))),
            ("pace.quiet_hours.time_zone", quiet("time_zone", json!("Europe/Atlantis"))),
            ("pace.quiet_hours.time_zone", quiet("time_zone", json!("+02:00"))),
            ("pace.quiet_hours.time_zone", quiet("time_zone", Value::Null)),
            ("pace.warm_up", json!({"warm_up": 7})),
            ("pace.warm_up", warm_up("until", json!(5))),
            ("pace.warm_up.first_day", warm_up("first_day", json!(0))),
            ("pace.warm_up.more_each_day", warm_up("more_each_day", json!(-1))),
            ("pace.warm_up.days", warm_up("days", json!(366))),
            ("pace.warm_up.since", warm_up("since", json!("yesterday"))),
        ];
        for (field, value) in bad {
            let fault = PaceEdit::read(value.clone()).expect_err("a rule is broken");
            assert_eq!(fault.field, Some(field), "{value}");
        }
    }
}

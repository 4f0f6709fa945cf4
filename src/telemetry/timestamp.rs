//! Times as RFC 3339 writes them.

use std::fmt::{self, Display};
use std::time::Duration;

/// A time since the Unix epoch, shown in UTC with milliseconds (RFC 3339 §5.6): `2026-11-23T10:43:00.007Z`.
///
/// The year ends at 9999; what is later is shown as the last second of that year.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timestamp(pub(super) Duration);

const LAST_SECOND: u64 = 253_402_300_799;
const SECONDS_A_DAY: u64 = 86_400;

impl Display for Timestamp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs().min(LAST_SECOND);
        let (year, month, day) = date(seconds / SECONDS_A_DAY);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let millis = self.0.subsec_millis();
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// The Gregorian date of a day counted from 1970-01-01.
///
/// Years are taken to begin in March, so that the leap day is a year's last day and needs no case of its own.
fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_EPOCH: u64 = 719_468; // from 0000-03-01 to 1970-01-01
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let days = days + DAYS_TO_EPOCH;
    let (era, day_of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    // Take the leap days that have passed out of the count: one in 4 years, none in 100, one in 400.
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / (DAYS_OF_400_YEARS - 1);
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months from March have 31, 30, 31, 30, 31 days, over and over: 153 days in five months.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (400 * era + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_5_6_times_are_written_in_utc_with_milliseconds() {
        let cases = [
            (0, 0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, 999, "2000-02-28T23:59:59.999Z"),
            (951_782_400, 0, "2000-02-29T00:00:00.000Z"),
            (951_868_800, 1, "2000-03-01T00:00:00.001Z"),
            (1_709_164_800, 0, "2024-02-29T00:00:00.000Z"),
            (1_735_689_599, 0, "2024-12-31T23:59:59.000Z"),
            (1_740_787_200, 0, "2025-03-01T00:00:00.000Z"),
            (1_795_430_580, 70, "2026-11-23T10:43:00.070Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00.000Z"),
            (253_402_300_800, 0, "9999-12-31T23:59:59.000Z"),
        ];
        for (seconds, millis, expected) in cases {
            assert_eq!(Timestamp(Duration::from_millis(seconds * 1000 + millis)).to_string(), expected);
        }
        let last = Timestamp(Duration::MAX).to_string();
        assert!(last.starts_with("9999-12-31T23:59:59"), "{last}");
    }

    #[test]
    fn days_follow_one_another_as_in_the_calendar() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..200_000 {
            assert_eq!(date(days), (year, month, day), "day {days}");
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + u64::from(is_leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }
}

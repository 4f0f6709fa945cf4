//! Days as people read them.

use std::fmt;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A day of the Gregorian calendar, in UTC; shown as `5 March 2026`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    year: i64,
    /// 1 to 12.
    month: u8,
    /// 1 to 31.
    day: u8,
}

impl Day {
    /// The day of a moment: whole seconds since the Unix epoch.
    pub fn of(seconds: i64) -> Self {
        // Days are counted from 1 March of the year 0, so that a leap day is the last of its year.
        let days = seconds.div_euclid(86_400).saturating_add(719_468);
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        let small = |number: i64| u8::try_from(number).unwrap_or_default();
        Self { year, month: small(month), day: small(day) }
    }

    /// As `time`'s `datetime` attribute wants it: `2026-03-05`.
    pub fn iso(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let month = MONTHS.get(usize::from(self.month).wrapping_sub(1)).copied().unwrap_or_default();
        write!(out, "{} {month} {}", self.day, self.year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, iso, text) in [
            (0, "1970-01-01", "1 January 1970"),
            (-1, "1969-12-31", "31 December 1969"),
            (951_782_400, "2000-02-29", "29 February 2000"),
            (951_868_800, "2000-03-01", "1 March 2000"),
            (1_772_668_800, "2026-03-05", "5 March 2026"),
            (1_772_755_199, "2026-03-05", "5 March 2026"),
            (4_107_542_400, "2100-03-01", "1 March 2100"),
            (4_107_542_399, "2100-02-28", "28 February 2100"),
        ] {
            let day = Day::of(seconds);
            assert_eq!((&*day.iso(), &*day.to_string()), (iso, text), "{seconds}");
        }
    }
}

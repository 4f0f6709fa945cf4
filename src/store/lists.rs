//! Lists as rows hold them: a JSON array of strings, so that no text can pass for two.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::StoreFault;

/// Writes a list.
pub(super) fn write<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().collect::<serde_json::Value>().to_string()
}

/// Reads what [`write()`] wrote into a column of a table.
pub(super) fn read<T: FromIterator<String>>(
    row: &SqliteRow,
    column: &str,
    table: &'static str,
) -> Result<T, StoreFault> {
    let text: String = row.try_get(column)?;
    let texts: Vec<String> = serde_json::from_str(&text).map_err(|_| StoreFault::Unreadable(table))?;
    Ok(texts.into_iter().collect())
}

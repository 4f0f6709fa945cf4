//! The expanded table as text: aligned columns, or Markdown.

use std::fmt::Write;

use super::output::{STRONG, WARNING};
use super::routes::Row;

const HEADINGS: [&str; 4] = ["METHOD", "PATH", "USER", "ADMIN"];

/// Columns for a terminal; what is public stands out.
pub(super) fn columns(rows: &[Row]) -> String {
    let cells: Vec<_> = rows.iter().map(cells).collect();
    let mut widths = HEADINGS.map(str::len);
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; 4]| -> String {
        let padded: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut text = format!("{STRONG}{}{STRONG:#}\n", line(&HEADINGS.map(str::to_owned)));
    for (row, cells) in rows.iter().zip(&cells) {
        // Writing into a String cannot fail.
        let _ = match row.asks {
            "public" => writeln!(text, "{WARNING}{}{WARNING:#}", line(cells)),
            _ => writeln!(text, "{}", line(cells)),
        };
    }
    text
}

/// A Markdown table. A `|` in a path or a scope would end its cell, and is escaped.
pub(super) fn markdown(rows: &[Row]) -> String {
    let mut text = String::from("| method | path | user | admin |\n|---|---|---|---|\n");
    for row in rows {
        let code = |cell: String| match cell.as_str() {
            "" | "public" | "authenticated" => cell,
            _ => format!("`{}`", cell.replace('|', r"\|")),
        };
        let [method, path, user, admin] = cells(row).map(code);
        // Writing into a String cannot fail.
        let _ = writeln!(text, "| {method} | {path} | {user} | {admin} |");
    }
    text
}

fn cells(row: &Row) -> [String; 4] {
    let path = format!("{}{}", row.host.as_deref().unwrap_or_default(), row.path);
    let user = match row.asks {
        "scopes" => row.user.clone().unwrap_or_default(),
        asks => asks.to_owned(),
    };
    [row.method.clone(), path, user, row.admin.clone().unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(method: &str, path: &str, asks: &'static str, admin: Option<&str>) -> Row {
        Row {
            route: path.into(),
            method: method.into(),
            host: None,
            path: path.into(),
            upstream: "api".into(),
            asks,
            user: None,
            admin: admin.map(str::to_owned),
        }
    }

    fn rows() -> [Row; 2] {
        [row("GET", "/health", "public", None), row("DELETE", "/a|b/{id}", "scopes", Some("admin.items"))]
    }

    #[test]
    fn columns_are_aligned_and_end_without_blanks() {
        let text = anstream::adapter::strip_str(&columns(&rows())).to_string();
        let expected =
            "METHOD  PATH       USER    ADMIN\nGET     /health    public\nDELETE  /a|b/{id}          admin.items\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn markdown_cells_do_not_end_early() {
        let text = markdown(&rows());
        assert!(
            text.ends_with("| `GET` | `/health` | public |  |\n| `DELETE` | `/a\\|b/{id}` |  | `admin.items` |\n"),
            "{text}"
        );
    }
}

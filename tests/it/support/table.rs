//! Tables of documents that are made of what tests have seen.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use super::{ROOT, shipped};

/// Tests run side by side, and a document has several tables.
static WRITING: Mutex<()> = Mutex::new(());

/// Holds the first table below `heading` in `document` to `rows`, each the cells of one row; `UPDATE_GOLDEN=1` writes them anew.
#[track_caller]
pub fn hold_table(document: &str, heading: &str, rows: &[Vec<String>]) {
    let _writing = WRITING.lock();
    let text = shipped(document);
    let lines: Vec<&str> = text.lines().collect();
    let heading_at = lines.iter().position(|line| *line == heading).unwrap_or_else(|| panic!("no `{heading}`"));
    let rule = lines[heading_at..].iter().position(|line| line.starts_with("|--")).expect("a table");
    let start = heading_at + rule + 1;
    let length = lines[start..].iter().take_while(|line| line.starts_with('|')).count();
    let rendered: Vec<String> = rows.iter().map(|cells| written(cells)).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let rendered = rendered.iter().map(String::as_str);
        let new: Vec<&str> =
            lines[..start].iter().copied().chain(rendered).chain(lines[start + length..].iter().copied()).collect();
        fs::write(Path::new(ROOT).join(document), new.join("\n") + "\n").expect("written");
        return;
    }
    let kept = &lines[start..start + length];
    for row in &rendered {
        assert!(
            kept.contains(&row.as_str()),
            "{document} does not say what happens:\n{row}\nUPDATE_GOLDEN=1 takes it over"
        );
    }
    assert_eq!(kept, rendered, "{document}: rows of no case, or another order; UPDATE_GOLDEN=1 takes it over");
}

/// Whether `document` has this row.
pub fn has_row(document: &str, cells: &[String]) -> bool {
    let row = written(cells);
    shipped(document).lines().any(|line| line == row)
}

fn written(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | ")).replace("|  |", "| |")
}

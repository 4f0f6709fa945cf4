//! Fenced blocks of Markdown documents.

use std::fs;
use std::path::Path;

use super::{ROOT, shipped};

/// One fenced block.
#[derive(Clone, Debug)]
pub struct Fence {
    pub document: String,
    /// Of the opening fence, from 1.
    pub line: usize,
    /// What stands behind the opening fence.
    pub info: String,
    pub text: String,
}

/// Every document that the repository ships, by its path.
pub fn documents() -> Vec<String> {
    let mut documents: Vec<String> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "deploy/README.md"].map(str::to_owned).into();
    for entry in fs::read_dir(Path::new(ROOT).join("docs")).expect("docs") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        if name.ends_with(".md") {
            documents.push(format!("docs/{name}"));
        }
    }
    documents.sort();
    documents
}

/// Every fenced block of every document.
pub fn fences() -> Vec<Fence> {
    documents().iter().flat_map(|document| fences_of(document)).collect()
}

fn fences_of(document: &str) -> Vec<Fence> {
    let text = shipped(document);
    let mut fences = Vec::new();
    let mut open: Option<Fence> = None;
    for (number, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(_), Some(_)) => fences.extend(open.take()),
            (Some(info), None) => {
                let (document, info) = (document.to_owned(), info.trim().to_owned());
                open = Some(Fence { document, line: number + 1, info, text: String::new() });
            }
            (None, Some(fence)) => {
                fence.text.push_str(line);
                fence.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "{document}: a fence is not closed");
    fences
}

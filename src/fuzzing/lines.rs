//! Cuts an input into its lines.

/// The lines of an input; what is not UTF-8 stays bytes.
pub(super) struct Lines<'b> {
    left: Option<&'b [u8]>,
}

impl<'b> Lines<'b> {
    pub(super) fn of(bytes: &'b [u8]) -> Self {
        Self { left: Some(bytes) }
    }

    /// The next line, empty behind the last.
    pub(super) fn line(&mut self) -> &'b [u8] {
        self.next().unwrap_or_default()
    }

    /// The next line, if it is UTF-8.
    pub(super) fn text(&mut self) -> Option<&'b str> {
        std::str::from_utf8(self.line()).ok()
    }

    /// Everything behind the lines that were taken.
    pub(super) fn rest(self) -> &'b [u8] {
        self.left.unwrap_or_default()
    }
}

impl<'b> Iterator for Lines<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let left = self.left?;
        match left.iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                self.left = Some(&left[at + 1..]);
                Some(&left[..at])
            }
            None => {
                self.left = None;
                Some(left)
            }
        }
    }
}

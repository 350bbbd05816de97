//! The inputs that determine a result, as text with a version.

use std::{
    fmt::Write as _,
    io::{self, Read},
};

use sha2::{Digest, Sha256};

/// Named values in a fixed order, one a line, below a line with the name and the version of the form.
///
/// UIDs, manifests and journals depend on this text, so it must not change by itself: it never contains Rust's debug
/// output of a value. Raise the version when you add or remove a line, or change how a value is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoding {
    text: String,
}

impl Encoding {
    /// Begins a text of the form `name` in its version.
    pub fn new(name: &str, version: u32) -> Self {
        Self { text: format!("{name} {version}\n") }
    }

    /// Adds a text. Line ends within it are escaped, so that no value can pass for another line.
    pub fn text(mut self, key: &str, value: &str) -> Self {
        let value = value.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{key}={value}");
        self
    }

    /// Adds a whole number.
    pub fn number(self, key: &str, value: impl Into<i128>) -> Self {
        let value: i128 = value.into();
        self.text(key, &value.to_string())
    }

    /// Adds a number by its bits, as 16 hexadecimal digits: decimals would depend on who prints them.
    pub fn float(self, key: &str, value: f64) -> Self {
        self.text(key, &format!("{:016x}", value.to_bits()))
    }

    /// Adds the hash of another text.
    pub fn nested(self, key: &str, value: &Self) -> Self {
        let hash = value.hash();
        self.text(key, &hash)
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// SHA-256 of the text, 64 hexadecimal digits.
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(&self.text))
    }
}

/// Hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, b| {
        let _ = write!(out, "{b:02x}");
        out
    })
}

/// SHA-256 of a reader's bytes, 64 hexadecimal digits.
///
/// # Errors
/// Errors of the reader.
pub fn hash_file(mut reader: impl Read) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hash.finalize())),
            Ok(n) => hash.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A change of this text changes UIDs and starts interrupted runs anew.
    #[test]
    fn the_form_is_pinned() {
        let inner = Encoding::new("inner", 3).number("n", 7u32);
        let text = Encoding::new("outer", 1)
            .text("path", "a\\b\nc=d\r")
            .number("count", -12i64)
            .float("strength", 0.5)
            .nested("inner", &inner);
        assert_eq!(
            text.as_str(),
            "outer 1\npath=a\\\\b\\nc=d\\r\ncount=-12\nstrength=3fe0000000000000\n\
             inner=782e74bf655b92b7406f1e287b10d11420f916acc5e58c4a9d069d655575a0ae\n"
        );
        assert_eq!(text.hash(), hash_file(text.as_str().as_bytes()).unwrap());
    }

    #[test]
    fn no_value_passes_for_another_line() {
        let one = Encoding::new("x", 1).text("a", "1\nb=2");
        let two = Encoding::new("x", 1).text("a", "1").text("b", "2");
        assert_ne!(one.hash(), two.hash());
    }
}

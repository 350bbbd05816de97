//! Pictures, text and numbers in the form that a page takes.

use image::{
    ExtendedColorType, ImageEncoder,
    codecs::png::{CompressionType, FilterType, PngEncoder},
};
use sha2::{Digest, Sha256};

use crate::error::Reason;

/// A PNG of a picture, `size` being columns and rows, in base64.
pub(super) fn png(size: (u32, u32), kind: ExtendedColorType, samples: &[u8]) -> Result<String, Reason> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive)
        .write_image(samples, size.0, size.1, kind)
        .map_err(|e| Reason::Unfit(format!("its pictures cannot be encoded: {e}")))?;
    Ok(base64(&bytes))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let index = (word >> (18 - 6 * i)) & 63;
            out.push(if i > chunk.len() { '=' } else { char::from(ALPHABET[index as usize]) });
        }
    }
    out
}

/// The hash by which a Content-Security-Policy admits an inline style or script.
pub(super) fn sha256(text: &str) -> String {
    base64(&Sha256::digest(text))
}

/// Text as HTML. Control characters and those that turn the direction of text become U+FFFD: a name must
/// not rearrange the text around it.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push('\u{fffd}'),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A number with at most so many decimals, and a minus sign.
pub(super) fn number(value: f64, decimals: usize) -> String {
    if value.abs() >= 1e12 || (value != 0.0 && value.abs() < 0.5 * 0.1_f64.powi(decimals as i32)) {
        return format!("{value:.3e}").replace('-', "\u{2212}");
    }
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { text.replace('-', "\u{2212}") }
}

/// A template with every `{{name}}` replaced, in one pass: a value that looks like a name stays as it is.
pub(super) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len() + values.iter().map(|(_, value)| value.len()).sum::<usize>());
    let mut rest = template;
    while let Some((text, from)) = rest.split_once("{{") {
        out.push_str(text);
        let Some((name, after)) = from.split_once("}}") else {
            rest = &rest[text.len()..];
            break;
        };
        out.push_str(values.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| *value));
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_follows_the_standard() {
        for (text, code) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(text.as_bytes()), code);
        }
        assert_eq!(sha256(""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(
            [100.0, -160.0, 1.25, -0.0, 0.1 + 0.2].map(|v| number(v, 4)),
            ["100", "\u{2212}160", "1.25", "0", "0.3"]
        );
        assert_eq!([100.4, 5e15, -1e-7].map(|v| number(v, 0)), ["100", "5.000e15", "\u{2212}1.000e\u{2212}7"]);
        assert_eq!(number(f64::NAN, 2), "NaN");
    }

    #[test]
    fn text_is_escaped_and_templates_are_filled_once() {
        assert_eq!(fill("a {{x}} b {{y}}{{z}} {{", &[("x", "{{y}}"), ("y", "2")]), "a {{y}} b 2 {{");
        assert_eq!(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
        assert_eq!(escape("a\u{202e}gnp\n\u{7f}"), "a\u{fffd}gnp\u{fffd}\u{fffd}");
    }
}

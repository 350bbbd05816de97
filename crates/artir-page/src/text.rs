//! Text and numbers in the form that a page takes.

/// Text as HTML. Control characters and those that turn the direction of text become U+FFFD: a name must
/// not rearrange the text around it.
pub fn escape(text: &str) -> String {
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
pub fn number(value: f64, decimals: usize) -> String {
    if value.abs() >= 1e12 || (value != 0.0 && value.abs() < 0.5 * 0.1_f64.powi(decimals as i32)) {
        return format!("{value:.3e}").replace('-', "\u{2212}");
    }
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { text.replace('-', "\u{2212}") }
}

/// `3rd` for 3.
pub fn ordinal(n: usize) -> String {
    let ending = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

/// A template with every `{{name}}` replaced, in one pass: a value that looks like a name stays as it is.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
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
    fn numbers_read_as_people_write_them() {
        assert_eq!(
            [100.0, -160.0, 1.25, -0.0, 0.1 + 0.2].map(|v| number(v, 4)),
            ["100", "\u{2212}160", "1.25", "0", "0.3"]
        );
        assert_eq!([100.4, 5e15, -1e-7].map(|v| number(v, 0)), ["100", "5.000e15", "\u{2212}1.000e\u{2212}7"]);
        assert_eq!(number(f64::NAN, 2), "NaN");
        let ordinals = [1, 2, 3, 4, 11, 12, 13, 21, 22, 103, 111].map(ordinal);
        assert_eq!(ordinals, ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "103rd", "111th"]);
    }

    #[test]
    fn text_is_escaped_and_templates_are_filled_once() {
        assert_eq!(fill("a {{x}} b {{y}}{{z}} {{", &[("x", "{{y}}"), ("y", "2")]), "a {{y}} b 2 {{");
        assert_eq!(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
        assert_eq!(escape("a\u{202e}gnp\n\u{7f}"), "a\u{fffd}gnp\u{fffd}\u{fffd}");
    }
}

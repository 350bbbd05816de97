//! The style and the script of a page, and the policy that admits nothing else.

use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};

/// The functions that the scripts of all pages use, as the object `artir`.
const SHARED: &str = include_str!("shared.js");

/// The style and the script of a page, with the page's Content-Security-Policy.
#[derive(Clone, Debug)]
pub struct Inline {
    style: String,
    script: String,
    policy: String,
}

impl Inline {
    /// A page with a script of its own, which runs after the shared one.
    pub fn new(style: &str, script: &str) -> Self {
        let script = format!("{SHARED}{script}");
        let policy = policy(style, Some(&script));
        Self { style: style.to_owned(), script, policy }
    }

    /// A page without a script.
    pub fn without_script(style: &str) -> Self {
        Self { style: style.to_owned(), script: String::new(), policy: policy(style, None) }
    }

    /// The values of a template's `{{policy}}`, `{{style}}` and `{{script}}`: the content of the `meta` element, and of the
    /// one `style` and the one `script` element.
    pub fn values(&self) -> [(&'static str, &str); 3] {
        [("policy", &self.policy), ("style", &self.style), ("script", &self.script)]
    }

    /// Bytes of the script.
    pub fn script_len(&self) -> usize {
        self.script.len()
    }
}

fn policy(style: &str, script: Option<&str>) -> String {
    let script = script.map_or_else(String::new, |script| format!("script-src 'sha256-{}'; ", hash(script)));
    let style = hash(style);
    format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{style}'; {script}base-uri 'none'; form-action 'none'"
    )
}

/// The hash by which a policy admits an inline style or script.
fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_admits_exactly_this_style_and_this_script() {
        let with = Inline::new("a", "b");
        let [(_, policy), (_, style), (_, script)] = with.values();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains(&format!("style-src 'sha256-{}'", hash(style))), "{policy}");
        assert!(policy.contains(&format!("script-src 'sha256-{}'", hash(script))), "{policy}");
        assert!(!Inline::without_script("a").values()[0].1.contains("script-src"));
        assert_eq!(hash(""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}

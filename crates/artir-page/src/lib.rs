//! Self-contained HTML pages.
//!
//! A page of artir carries its pictures and may load nothing. Its Content-Security-Policy forbids every request, and admits
//! one style and one script by their hashes ([`Inline`]). Every text on it is escaped ([`escape`]).
//!
//! ```
//! use artir_page::{Inline, escape, fill};
//!
//! let inline = Inline::new("p { color: red }", "artir.at(\"x\").hidden = true;");
//! let mut values = inline.values().to_vec();
//! let text = escape("<b>");
//! values.push(("text", &text));
//! let page = fill("<meta content=\"{{policy}}\"><style>{{style}}</style><p id=\"x\">{{text}}</p>", &values);
//! assert!(page.contains("default-src 'none'") && page.contains("&lt;b&gt;"));
//! ```

#![deny(unsafe_code)]

mod inline;
mod png;
pub mod report;
mod text;

pub use inline::Inline;
pub use png::{Samples, png};
pub use text::{escape, fill, number, ordinal};

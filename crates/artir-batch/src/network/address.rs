//! Addresses of inputs on a network: series of an archive (`http://`, `https://`), and objects of a store (`s3://`).

use std::path::Path;

/// Objects of a store: `s3://BUCKET/KEY`. For series, a key that ends with a slash, or that no object has, stands for all objects
/// below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
}

impl<'a> Place<'a> {
    /// The place that an address names; `None` for an address of another kind.
    ///
    /// # Errors
    /// The reason why it cannot be used.
    pub(crate) fn of(address: &'a str) -> Option<Result<Self, &'static str>> {
        let rest = after(address, "s3://")?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if bucket.contains('@') {
            return Some(Err("credentials belong in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, not in the address"));
        }
        if bucket.is_empty() || !bucket.bytes().all(plain) {
            return Some(Err("not a bucket's name: write s3://BUCKET/KEY"));
        }
        // Such keys would name other files below the folder that objects are copied into, or none.
        let part = |part: &str| !part.is_empty() && part != "." && part != "..";
        let whole = key.strip_suffix('/').unwrap_or(key);
        if key.contains(char::is_control) || !key.is_empty() && !whole.split('/').all(part) {
            return Some(Err(
                "its key has an empty part, '.', '..' or a control character, which artir does not read: rename the object",
            ));
        }
        Some(Ok(Self { bucket, key }))
    }

    /// The place that an address must name.
    ///
    /// # Errors
    /// The reason why it names none.
    pub(crate) fn required(address: &'a str) -> Result<Self, &'static str> {
        Self::of(address).unwrap_or(Err("not a store: write s3://BUCKET/KEY"))
    }

    /// What the keys below it begin with: nothing, or a text with a slash at its end.
    pub(crate) fn prefix(&self) -> String {
        match self.key.trim_end_matches('/') {
            "" => String::new(),
            key => format!("{key}/"),
        }
    }
}

fn after<'a>(address: &'a str, scheme: &str) -> Option<&'a str> {
    let start = address.get(..scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then(|| &address[scheme.len()..])
}

/// Whether an input is an object, or a folder of them, in a store.
pub(crate) fn is_object(input: &str) -> bool {
    after(input, "s3://").is_some()
}

/// Whether an input belongs to an archive of series.
pub(crate) fn is_http(input: &str) -> bool {
    after(input, "http://").is_some() || is_encrypted(input)
}

/// Whether it is reached by TLS.
pub(crate) fn is_encrypted(address: &str) -> bool {
    after(address, "https://").is_some()
}

/// Whether an address can be asked for an input.
///
/// # Errors
/// The reason why not.
pub(crate) fn check(address: &str) -> Result<(), &'static str> {
    match Place::of(address) {
        Some(Ok(place)) if place.key.is_empty() => Err("it names no object: write s3://BUCKET/KEY"),
        Some(place) => place.map(drop),
        None => archive(address).map(drop),
    }
}

/// An address for messages, without credentials that somebody put into it.
pub(crate) fn shown(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => address.to_owned(),
    }
}

/// The last part of a key, for a copy that keeps its ending.
pub(crate) fn file_name(key: &str) -> &str {
    Path::new(key).file_name().and_then(|name| name.to_str()).unwrap_or("object")
}

/// The address of an Orthanc as its user gives it: without a slash at the end.
///
/// # Errors
/// The reason why it cannot be used.
pub(crate) fn archive(address: &str) -> Result<&str, &'static str> {
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or_default();
    if rest.contains('@') {
        return Err("credentials belong in ARTIR_ORTHANC_USER and ARTIR_ORTHANC_PASSWORD, not in the address");
    }
    let plain = !rest.contains(['?', '#']) && !rest.contains(|c: char| c.is_whitespace() || c.is_control());
    if host.is_empty() || !plain {
        return Err("not the address of an Orthanc, such as http://127.0.0.1:8042");
    }
    Ok(address.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_would_leave_their_folder_are_refused() {
        assert_eq!(Place::of("s3://b/k/ä b.tif"), Some(Ok(Place { bucket: "b", key: "k/ä b.tif" })));
        assert_eq!(Place::of("S3://b"), Some(Ok(Place { bucket: "b", key: "" })));
        assert_eq!(Place::of("s3://b/k/"), Some(Ok(Place { bucket: "b", key: "k/" })));
        assert_eq!(Place::of("https://b/k"), None);
        assert!(Place::required("https://b/k").is_err());
        let prefixes = ["s3://b", "s3://b/", "s3://b/k", "s3://b/k/l/"].map(|at| Place::required(at).unwrap().prefix());
        assert_eq!(prefixes, ["", "", "k/", "k/l/"]);
        for bad in
            ["s3://", "s3:///k", "s3://b//k", "s3://b/../k", "s3://b/k/..", "s3://b/./k", "s3://b/k\n", "s3://ä/k"]
        {
            assert!(Place::of(bad).unwrap().is_err(), "{bad}");
        }
        assert!(check("s3://b/k").is_ok() && check("s3://b").is_err() && check("s3://b/").is_err());
        assert!(Place::of("s3://me:secret@b/k").unwrap().unwrap_err().contains("AWS_ACCESS_KEY_ID"));
        assert_eq!(shown("s3://me:secret@b/k"), "s3://b/k");
    }

    #[test]
    fn addresses_are_told_by_their_scheme() {
        assert!(is_http("HTTP://x") && is_http("https://x") && !is_http("httpx/a") && !is_http("s3://x"));
        assert!(is_object("s3://x") && is_object("S3://x") && !is_object("s3:/x") && !is_object("/vsis3/x"));
    }

    #[test]
    fn addresses_hold_no_credentials() {
        assert_eq!(archive("http://127.0.0.1:8042/"), Ok("http://127.0.0.1:8042"));
        assert_eq!(archive("https://host/orthanc"), Ok("https://host/orthanc"));
        assert!(archive("http://me:secret@host").unwrap_err().contains("ARTIR_ORTHANC_USER"));
        for bad in ["http://", "http:///series", "http://host/?x", "http://host/a b"] {
            assert!(archive(bad).is_err(), "{bad}");
        }
    }
}

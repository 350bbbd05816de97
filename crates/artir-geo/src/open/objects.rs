//! Objects of a store: `s3://BUCKET/KEY` is GDAL's `/vsis3/BUCKET/KEY`, and the store is where the variables of the environment
//! say that other programs find it.

use std::{borrow::Cow, env, sync::Once};

/// The name that GDAL opens a raster by.
pub(crate) fn gdal_name(name: &str) -> Cow<'_, str> {
    match name.get(..5) {
        Some(scheme) if scheme.eq_ignore_ascii_case("s3://") => format!("/vsis3/{}", &name[5..]).into(),
        _ => name.into(),
    }
}

/// Tells GDAL, once, where the store of `AWS_ENDPOINT_URL` is: it does not read this variable. Its own variables come first.
pub(crate) fn use_endpoint() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let endpoint = variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"));
        let options =
            endpoint.iter().flat_map(|endpoint| settings(endpoint)).chain(RETRIES.map(|(k, v)| (k, v.into())));
        for (key, value) in options {
            if gdal::config::get_config_option(key, "").is_ok_and(|own| own.is_empty()) {
                // An option that GDAL does not take leaves it as it was, and the scene is not found.
                let _ = gdal::config::set_config_option(key, &value);
            }
        }
    });
}

/// A store that is busy is asked again.
const RETRIES: [(&str, &str); 2] = [("GDAL_HTTP_MAX_RETRY", "4"), ("GDAL_HTTP_RETRY_DELAY", "1")];

/// GDAL's options for an endpoint: host and port, and whether it speaks TLS. Its buckets are parts of the path.
fn settings(endpoint: &str) -> [(&'static str, String); 3] {
    let (scheme, host) = endpoint.split_once("://").unwrap_or(("https", endpoint));
    let https = if scheme.eq_ignore_ascii_case("http") { "NO" } else { "YES" };
    [
        ("AWS_S3_ENDPOINT", host.trim_end_matches('/').to_owned()),
        ("AWS_HTTPS", https.into()),
        ("AWS_VIRTUAL_HOSTING", "FALSE".into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_endpoints_are_those_of_gdal() {
        assert_eq!(gdal_name("s3://b/k/ä b.tif"), "/vsis3/b/k/ä b.tif");
        assert_eq!(gdal_name("S3://b/k"), "/vsis3/b/k");
        for other in ["s3:/b", "/vsis3/b/k", "https://s3/x", "a.tif", "ä"] {
            assert_eq!(gdal_name(other), other);
        }
        let [host, https, _] = settings("http://127.0.0.1:9000/");
        assert_eq!((host.1.as_str(), https.1.as_str()), ("127.0.0.1:9000", "NO"));
        assert_eq!(settings("https://store.example")[1].1, "YES");
    }
}

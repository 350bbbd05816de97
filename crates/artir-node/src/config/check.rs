//! Checks of a configuration that need nothing but the file.

use std::collections::BTreeSet;

use super::{Config, Route, Target};
use crate::queue::FILES;

/// The longest time that a key may state: 100 days.
const LONGEST: f64 = 8_640_000.0;

impl Config {
    /// The first key whose value cannot be used, and the reason.
    pub(super) fn check(&self) -> Result<(), String> {
        title("listen.ae_title", &self.listen.ae_title)?;
        let (listen, http) = (self.listen.address, self.http.address);
        let meet = listen.ip() == http.ip() || listen.ip().is_unspecified() || http.ip().is_unspecified();
        if meet && listen.port() == http.port() && http.port() != 0 {
            return Err("http.address: must not be that of listen.address".into());
        }
        for (key, number) in [
            ("listen.associations", self.listen.associations),
            ("listen.associations_per_address", self.listen.associations_per_address),
        ] {
            if !(1..=1000).contains(&number) {
                return Err(format!("{key}: must be 1 to 1000"));
            }
        }
        for (key, seconds) in [
            ("listen.request_seconds", self.listen.request_seconds),
            ("listen.idle_seconds", self.listen.idle_seconds),
            ("retry.first_seconds", self.retry.first_seconds),
            ("retry.longest_seconds", self.retry.longest_seconds),
        ] {
            time(key, seconds, 0.01)?;
        }
        time("disk.keep_sent_seconds", self.disk.keep_sent_seconds, 0.0)?;
        if let Some(days) = self.disk.keep_failed_days {
            time("disk.keep_failed_days", days, 0.0)?;
        }
        if self.listen.object_mib == 0 || self.disk.series == 0 || self.retry.attempts == 0 {
            return Err("listen.object_mib, disk.series and retry.attempts: must be at least 1".into());
        }
        if self.disk.watermark_mib < self.disk.reserve_mib {
            return Err("disk.watermark_mib: must not be less than disk.reserve_mib".into());
        }
        if self.restore.threads > artir_core::MOST_THREADS {
            return Err(format!("restore.threads: must be 0 to {}", artir_core::MOST_THREADS));
        }
        if !(64..=1 << 30).contains(&self.restore.memory_mib) {
            return Err("restore.memory_mib: must be at least 64".into());
        }
        let mut names = BTreeSet::new();
        for target in &self.targets {
            let key = format!("target `{}`", target.name);
            name(&key, &target.name)?;
            if !names.insert(target.name.as_str()) {
                return Err(format!("{key}: another target has the same name"));
            }
            target.check().map_err(|reason| format!("{key}: {reason}"))?;
        }
        if self.routes.is_empty() {
            return Err("there is no [[route]]".into());
        }
        let (mut names, mut titles) = (BTreeSet::new(), BTreeSet::new());
        for route in &self.routes {
            let key = format!("route `{}`", route.name);
            name(&key, &route.name)?;
            if FILES.contains(&route.name.as_str()) {
                return Err(format!("{key}: the node has a file of this name in its folder: choose another"));
            }
            if !names.insert(route.name.as_str()) {
                return Err(format!("{key}: another route has the same name"));
            }
            for called in &route.called {
                if !titles.insert(called.as_str()) {
                    return Err(format!("{key}: called: `{called}` is named twice"));
                }
            }
            for target in &route.targets {
                if self.target(target).is_none() {
                    return Err(format!("{key}: targets: there is no target `{target}`"));
                }
            }
            route.check().map_err(|reason| format!("{key}: {reason}"))?;
        }
        Ok(())
    }
}

impl Target {
    fn check(&self) -> Result<(), String> {
        time("commitment_seconds", self.commitment_seconds, 0.01)?;
        time("answer_seconds", self.answer_seconds, 0.01)?;
        if let Some(tls) = &self.tls
            && tls.certificate.is_some() != tls.key.is_some()
        {
            return Err("tls: certificate and key need each other".into());
        }
        match (&self.address, &self.url) {
            (Some(address), None) => {
                let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse());
                if !matches!(port, Some(Ok(1..=u16::MAX))) {
                    return Err("address: must be HOST:PORT".into());
                }
                if self.authorization.is_some() {
                    return Err("authorization: only for a web service (url)".into());
                }
                let called = self.ae_title.as_deref().ok_or("ae_title is missing")?;
                title("ae_title", called)
            }
            (None, Some(url)) => {
                if !url.starts_with("https://") && !url.starts_with("http://") {
                    return Err("url: must start with https:// or http://".into());
                }
                let parsed: Option<ureq::http::Uri> = url.parse().ok();
                if parsed.and_then(|uri| uri.host().map(str::is_empty)) != Some(false) {
                    return Err("url: must be https://HOST/PATH or http://HOST/PATH".into());
                }
                match &self.tls {
                    None if url.starts_with("https://") => {
                        let missing =
                            "tls.authorities is missing: name the file with the authorities of its certificate";
                        return Err(missing.into());
                    }
                    // Objects would go out as plain text, against what the table says.
                    Some(_) if url.starts_with("http://") => {
                        return Err("tls: url starts with http://, which is not encrypted: write https://".into());
                    }
                    Some(tls) if tls.server_name.is_some() => {
                        return Err("tls.server_name: only for a DICOM node (address)".into());
                    }
                    _ => {}
                }
                if self.commitment || self.ae_title.is_some() {
                    return Err("commitment and ae_title: only for a DICOM node (address)".into());
                }
                Ok(())
            }
            _ => Err("must have either address (a DICOM node) or url (a web service)".into()),
        }
    }
}

impl Route {
    fn check(&self) -> Result<(), String> {
        for (key, titles) in [("called", &self.called), ("calling", &self.calling)] {
            titles.iter().try_for_each(|text| title(key, text))?;
        }
        if self.called.is_empty() {
            return Err("called: must name at least one AE title".into());
        }
        if self.targets.is_empty() {
            return Err("targets: must name at least one target".into());
        }
        if self.ct.is_none() && self.pet.is_none() {
            return Err("must have [route.ct] or [route.pet]".into());
        }
        for (modality, work) in self.work() {
            if work.strength.is_some_and(|strength| !(0.0..=1.0).contains(&strength)) {
                return Err(format!("{}.strength: must be 0 to 1", modality.name().to_lowercase()));
            }
        }
        if self.ct.as_ref().is_some_and(|work| work.units != super::Units::Suv) {
            return Err("ct.units: only PET has units".into());
        }
        time("quiet_seconds", self.quiet_seconds, 0.0)
    }
}

fn time(key: &str, seconds: f64, least: f64) -> Result<(), String> {
    if (least..=LONGEST).contains(&seconds) { Ok(()) } else { Err(format!("{key}: must be {least} to {LONGEST}")) }
}

/// A name becomes part of paths, metrics and pages.
fn name(key: &str, text: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let fits = (1..=32).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('-');
    if fits { Ok(()) } else { Err(format!("{key}: a name has 1 to 32 lower-case letters, digits and hyphens")) }
}

/// VR AE (PS3.5, 6.2): 1 to 16 characters, with no blank at either end.
fn title(key: &str, text: &str) -> Result<(), String> {
    let plain = |b: u8| (b' '..=b'~').contains(&b) && b != b'\\';
    let fits = (1..=16).contains(&text.len()) && text.bytes().all(plain) && text.trim() == text;
    if fits { Ok(()) } else { Err(format!("{key}: an AE title has 1 to 16 ASCII characters, no backslash")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EXAMPLE;

    fn read(text: &str) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        std::fs::write(&path, text).unwrap();
        let read = Config::read(&path).map_err(|e| e.to_string());
        if let Ok(config) = &read {
            assert_eq!(config.folder, dir.path().join("queue"));
            let model = config.routes[0].ct.as_ref().and_then(|work| work.model.clone());
            if let Some(model) = model.filter(|model| model.ends_with(".onnx")) {
                assert_eq!(std::path::Path::new(&model), dir.path().join("models/own.onnx"));
            }
        }
        read
    }

    #[test]
    fn a_model_that_is_a_file_lies_beside_the_configuration() {
        let model = |text: &str| {
            let config = read(&EXAMPLE.replace("[route.ct]", &format!("[route.ct]\nmodel = '{text}'"))).unwrap();
            config.routes[0].ct.clone().unwrap().model.unwrap()
        };
        assert!(model("models/own.onnx").len() > "models/own.onnx".len());
        assert_eq!(model("ct-ldct-t"), "ct-ldct-t");
    }

    #[test]
    fn an_authorization_is_one_line_of_ascii() {
        let dir = tempfile::tempdir().unwrap();
        let mut target = read(EXAMPLE).unwrap().targets.remove(0);
        assert_eq!(target.authorization(), Ok(None));
        let path = dir.path().join("token");
        target.authorization = Some(path.clone());
        assert!(target.authorization().unwrap_err().contains("token: "), "there is no such file");
        for (text, value) in [
            ("Bearer secret\n", Some("Bearer secret")),
            ("Basic YTpi\r\n", Some("Basic YTpi")),
            ("", None),
            (" \n", None),
            ("Basic YTpi\nBasic YTpj\n", None),
            ("Basic \u{e4}\n", None),
        ] {
            std::fs::write(&path, text).unwrap();
            match (target.authorization(), value) {
                (Ok(found), Some(value)) => assert_eq!(found.as_deref(), Some(value)),
                (Err(reason), None) => assert!(reason.contains("must hold one line of ASCII"), "{reason}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_line_of_an_error_is_that_of_its_key() {
        // `name = 'ct'` is line 7 of the file, at the beginning of its line; the value of `called` is within line 8.
        for (from, to, line) in [
            ("folder = 'queue'", "folders = 'queue'", "line 1: unknown field `folders`"),
            ("name = 'ct'", "nickname = 'ct'", "line 7: unknown field `nickname`"),
            ("name = 'ct'", "name = 'ct'\nname = 'pet'", "line 8: duplicate key"),
            ("called = ['ARTIR']", "called = [1]", "line 8: invalid type"),
            ("called = ['ARTIR']\n", "", "line 6: missing field `called`"),
        ] {
            for ending in ["\n", "\r\n"] {
                let text = EXAMPLE.replace(from, to).replace('\n', ending);
                let refused = read(&text).map(|_| ()).expect_err(to);
                assert!(refused.contains(line), "{to}: {refused}");
            }
        }
    }

    #[test]
    fn a_wrong_value_is_refused_by_its_key() {
        read(EXAMPLE).unwrap();
        for (from, to, reason) in [
            ("folder = 'queue'", "", "missing field `folder`"),
            ("folder = 'queue'", "folder = 'queue'\nqueue = 1", "unknown field `queue`"),
            ("'ARTIR'", "'ARTIR', 'ARTIR'", "`ARTIR` is named twice"),
            ("'ARTIR'", "'A VERY LONG TITLE'", "called: an AE title"),
            ("['pacs']", "['pax']", "there is no target `pax`"),
            ("'pacs:104'", "'pacs'", "address: must be HOST:PORT"),
            ("'pacs:104'", "'pacs:70000'", "address: must be HOST:PORT"),
            ("ae_title = 'PACS'", "", "ae_title is missing"),
            ("address = 'pacs:104'", "url = 'ftp://x'", "url: must start with"),
            ("address = 'pacs:104'", "url = 'http://x'", "only for a DICOM node"),
            ("address = 'pacs:104'\nae_title = 'PACS'", "url = 'https://x'", "tls.authorities is missing"),
            ("[route.ct]\n", "", "[route.ct] or [route.pet]"),
            ("[route.ct]", "[route.ct]\nstrength = 1.5", "ct.strength: must be 0 to 1"),
            ("[route.ct]", "[route.ct]\nselect = 'Modality'", "has no operator"),
            ("[route.ct]", "[route.ct]\nunits = 'native'", "only PET has units"),
            ("name = 'ct'", "name = '../ct'", "a name has 1 to 32"),
            ("name = 'ct'", "name = 'ct'\nquiet_seconds = nan", "quiet_seconds: must be"),
            ("name = 'ct'", "name = 'ct'\naddresses = ['10.0.0.0/64']", "no range such as"),
            ("[[target]]", "[disk]\nwatermark_mib = 1\n[[target]]", "watermark_mib"),
            ("[[target]]", "[listen]\nassociations = 0\n[[target]]", "listen.associations: must be"),
            ("[[target]]", "[listen]\naddress = '0.0.0.0:11180'\n[[target]]", "http.address: must not be"),
            ("folder = 'queue'", "folder = ''", "folder: must not be empty"),
            ("name = 'ct'", "name = 'drain'", "the node has a file of this name"),
            ("address = 'pacs:104'\nae_title = 'PACS'", "url = 'http://'", "url: must be https://HOST"),
            ("address = 'pacs:104'\nae_title = 'PACS'", "url = 'http://ho st/x'", "url: must be https://HOST"),
            (
                "address = 'pacs:104'\nae_title = 'PACS'",
                "url = 'http://x'\ntls = {authorities = 'a'}",
                "tls: url starts with http://",
            ),
            (
                "address = 'pacs:104'\nae_title = 'PACS'",
                "url = 'https://x'\ntls = {authorities = 'a', server_name = 'y'}",
                "tls.server_name: only for a DICOM node",
            ),
        ] {
            let text = EXAMPLE.replace(from, to);
            assert_ne!(text, EXAMPLE, "{from}");
            let refused = read(&text).map(|_| ()).expect_err(to);
            assert!(refused.contains(reason) && !refused.contains('\n'), "{to}: {refused}");
        }
    }
}

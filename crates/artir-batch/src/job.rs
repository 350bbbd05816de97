//! A job: one line of a manifest.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};

use crate::{FOLDER, Fault, network::address};

/// The command of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// CT series and volumes.
    Ct,
    /// PET series and volumes.
    Pet,
    /// Scenes.
    Geo,
    /// Photographs.
    Image,
}

impl Command {
    /// The subcommand of artir.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ct => "ct",
            Self::Pet => "pet",
            Self::Geo => "geo",
            Self::Image => "image",
        }
    }

    fn takes_one(self) -> bool {
        matches!(self, Self::Geo | Self::Image)
    }
}

/// One line of a manifest, as JSON.
///
/// ```
/// let line = r#"{"id": "a", "command": "ct", "input": "/archive/a", "options": {"strength": 0.8, "preview": true}}"#;
/// let job = artir_batch::Job::parse(line.as_bytes())?;
/// assert_eq!(job.output(), "a");
/// assert_eq!(job.arguments()?, ["--preview", "--strength=0.8"]);
/// # Ok::<(), artir_batch::Fault>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The name of the job. It names the record and, unless `output` does, the result: it should name no patient.
    pub id: String,
    /// What is done.
    pub command: Command,
    /// What is read: one path, or a list. Relative paths begin at the folder of the manifest.
    #[serde(deserialize_with = "one_or_many", serialize_with = "short")]
    pub input: Vec<String>,
    /// Where the result goes, below the folder of results: a folder for series, else a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The mosaic that a scene belongs to: its scenes get one range. Absent: the one that all such scenes of the manifest form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mosaic: Option<String>,
    /// Options of the command, without their dashes.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub options: Map<String, Value>,
}

fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let text = |value: Value| match value {
        Value::String(text) => Ok(text),
        _ => Err(D::Error::custom("input must be a text, or a list of texts")),
    };
    match Value::deserialize(from)? {
        Value::Array(all) => all.into_iter().map(text).collect(),
        one => Ok(vec![text(one)?]),
    }
}

fn short<S: serde::Serializer>(input: &[String], to: S) -> Result<S::Ok, S::Error> {
    match input {
        [one] => to.serialize_str(one),
        many => to.collect_seq(many),
    }
}

/// Options that the batch sets itself, that write elsewhere, or that print in place of restoring.
const REFUSED: [&str; 17] = [
    "output",
    "overwrite",
    "resume",
    "report",
    "show-paths",
    "show-uids",
    "dry-run",
    "list",
    "inspect",
    "compare",
    "except-bands",
    "change",
    "help",
    "version",
    "quiet",
    "verbose",
    "progress",
];

/// Options whose values never name a file or a person. The values of all others stay out of records.
const PLAIN: [&str; 22] = [
    "all-bands",
    "allow-partial",
    "bands",
    "device",
    "ensemble",
    "float",
    "format",
    "include-derived",
    "largest",
    "mask-clouds",
    "memory",
    "names",
    "noise",
    "overlap",
    "precision",
    "preview",
    "range",
    "strength",
    "threads",
    "tile",
    "transfer-syntax",
    "units",
];

/// Options that decide how haze is treated.
const TREATMENT: [&str; 9] =
    ["all-bands", "ensemble", "memory", "model", "overlap", "precision", "range", "strength", "tile"];

impl Job {
    /// Reads a line and checks everything that can be checked without its files.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, Fault> {
        let job: Self = serde_json::from_slice(line).map_err(|e| Fault::Json(e.to_string()))?;
        job.check()?;
        Ok(job)
    }

    pub(crate) fn check(&self) -> Result<(), Fault> {
        check_id(&self.id)?;
        if self.input.is_empty() || self.input.iter().any(String::is_empty) {
            return Err(Fault::NoInput);
        }
        if self.command.takes_one() && self.input.len() > 1 {
            return Err(Fault::OneInput(self.command.name()));
        }
        if self.input.iter().any(|input| input == "-" || input.starts_with('@')) {
            return Err(Fault::Stream);
        }
        if let Some(reason) = self.addresses().into_iter().find_map(|address| address::check(address).err()) {
            return Err(Fault::Address(reason));
        }
        if let Some(mosaic) = &self.mosaic
            && (self.command != Command::Geo || check_id(mosaic).is_err() || !self.takes_range_of_pixels())
        {
            return Err(Fault::Mosaic);
        }
        check_output(&self.output())?;
        self.arguments().map(drop)
    }

    /// The path of the result below the folder of results.
    pub fn output(&self) -> String {
        if let Some(output) = &self.output {
            return output.clone();
        }
        let ending = |other: &str| {
            let input = self.input.first().map(Path::new);
            input.and_then(Path::extension).map_or_else(|| other.to_owned(), |e| e.to_string_lossy().into_owned())
        };
        match self.command {
            Command::Ct | Command::Pet => self.id.clone(),
            Command::Geo => format!("{}.tif", self.id),
            Command::Image => format!("{}.{}", self.id, ending("png")),
        }
    }

    /// The files that a result at a path consists of, the first of that name; without sidecar files.
    pub(crate) fn files_at(&self, place: &Path) -> Vec<PathBuf> {
        let mut out = vec![place.to_owned()];
        if self.command == Command::Geo {
            out.extend(artir_files::pixels_of(place));
            if self.options.get("stac") == Some(&Value::Bool(true)) {
                out.push(place.with_extension("stac.json"));
            }
        }
        out
    }

    /// Whether black and white of a scene follow from its pixels, so that a survey can choose them.
    pub fn takes_range_of_pixels(&self) -> bool {
        let range = self.options.get("range").map(Value::as_str);
        self.command == Command::Geo && matches!(range, None | Some(Some("auto" | "percentile")))
    }

    /// The options that decide how haze is treated, in the order of their names. Scenes of one mosaic must share them.
    pub fn treatment(&self) -> String {
        let kept = self.options.iter().filter(|(name, _)| TREATMENT.contains(&name.as_str()));
        kept.map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    /// The options as arguments of the command line, in the order of their names.
    ///
    /// # Errors
    /// [`Fault::Option`] and [`Fault::Value`].
    pub fn arguments(&self) -> Result<Vec<String>, Fault> {
        let mut out = Vec::new();
        for (name, value) in &self.options {
            let plain =
                name.len() > 1 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if !plain || name.starts_with('-') || REFUSED.contains(&name.as_str()) {
                return Err(Fault::Option(name.clone()));
            }
            let all = match value {
                Value::Array(all) => all.as_slice(),
                one => std::slice::from_ref(one),
            };
            for one in all {
                match one {
                    Value::Bool(true) => out.push(format!("--{name}")),
                    Value::Bool(false) => {}
                    Value::Number(number) => out.push(format!("--{name}={number}")),
                    Value::String(text) => out.push(format!("--{name}={text}")),
                    Value::Null | Value::Array(_) | Value::Object(_) => return Err(Fault::Value(name.clone())),
                }
            }
        }
        Ok(out)
    }

    /// The inputs, where relative ones begin at `base`. Names that are no paths (`https://...`, `NETCDF:"..."`) stay.
    pub fn inputs(&self, base: &Path) -> Vec<String> {
        let place = |input: &String| {
            let named = self.command == Command::Geo && (input.contains("://") || input.contains(":\""));
            if named || input.starts_with('/') || self.is_asked_for(input) {
                input.clone()
            } else {
                base.join(input).to_string_lossy().into_owned()
            }
        };
        self.input.iter().map(place).collect()
    }

    /// Whether the batch asks a network for an input: series of an archive, and objects of a store.
    pub(crate) fn is_asked_for(&self, input: &str) -> bool {
        address::is_object(input) || !self.command.takes_one() && address::is_http(input)
    }

    /// Whether an input is copied before the job runs. A scene that may name anything is read where it is.
    pub(crate) fn is_fetched(&self, input: &str) -> bool {
        self.is_asked_for(input) && !self.reads_in_place()
    }

    /// Whether GDAL reads the scene of the job where it is, with all that its option `allow-remote` allows.
    pub fn reads_in_place(&self) -> bool {
        self.command == Command::Geo && self.options.get("allow-remote") == Some(&Value::Bool(true))
    }

    /// The inputs that the batch asks a network for.
    pub fn addresses(&self) -> Vec<&str> {
        self.input.iter().map(String::as_str).filter(|input| self.is_asked_for(input)).collect()
    }

    /// The options for a record: values that may name a file or a person are left out, unless they are to be shown.
    pub fn shown_options(&self, show: bool) -> Map<String, Value> {
        let shown = |(name, value): (&String, &Value)| {
            let harmless = show || PLAIN.contains(&name.as_str()) || value.is_boolean();
            (name.clone(), if harmless { value.clone() } else { Value::from("withheld") })
        };
        self.options.iter().map(shown).collect()
    }
}

fn check_id(id: &str) -> Result<(), Fault> {
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let begins = id.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if plain && begins && id.len() <= 100 { Ok(()) } else { Err(Fault::Id) }
}

/// A path that stays below the folder of results, and away from artir's own files in it.
fn check_output(output: &str) -> Result<(), Fault> {
    let path = PathBuf::from(output);
    let fine = |part: Component<'_>| match part {
        Component::Normal(name) => !name.to_string_lossy().to_lowercase().starts_with(FOLDER),
        _ => false,
    };
    let clean = !output.contains("//") && !output.ends_with('/') && !output.contains(char::is_control);
    if clean && !output.is_empty() && path.components().all(fine) { Ok(()) } else { Err(Fault::Output) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Job, Fault> {
        Job::parse(text.as_bytes())
    }

    #[test]
    fn a_line_comes_back_as_it_was() {
        for line in [
            r#"{"id":"a.1","command":"ct","input":"/a"}"#,
            r#"{"id":"b","command":"pet","input":["/a","/b"],"output":"x/y","options":{"preview":true}}"#,
        ] {
            assert_eq!(serde_json::to_string(&parse(line).unwrap()).unwrap(), line);
        }
    }

    #[test]
    fn results_have_names_by_their_kind() {
        let output = |text: &str| parse(text).unwrap().output();
        assert_eq!(output(r#"{"id":"a","command":"ct","input":"s"}"#), "a");
        assert_eq!(output(r#"{"id":"a","command":"geo","input":"s.jp2"}"#), "a.tif");
        assert_eq!(output(r#"{"id":"a","command":"image","input":"s.jpg"}"#), "a.jpg");
        assert_eq!(output(r#"{"id":"a","command":"image","input":"s.jpg","output":"b.png"}"#), "b.png");
    }

    #[test]
    fn options_are_arguments() {
        let job = parse(
            r#"{"id":"a","command":"geo","input":"s","options":
                {"range":"-1,5","co":["A=1","B=2"],"strength":0.5,"stac":true,"strict":false}}"#,
        );
        let arguments = job.unwrap().arguments().unwrap();
        assert_eq!(arguments, ["--co=A=1", "--co=B=2", "--range=-1,5", "--stac", "--strength=0.5"]);
    }

    #[test]
    fn what_cannot_be_a_job_is_refused() {
        let with = |more: &str| parse(&format!(r#"{{"id":"a","command":"ct","input":"s",{more}}}"#)).unwrap_err();
        for output in ["/x", "../x", "a/../b", "", "a//b", "a/", ".artir/x", "a/.artir-b", ".ARTIR/x", "./x", "a\nb"] {
            assert_eq!(with(&format!("\"output\":{}", Value::from(output))), Fault::Output, "{output}");
        }
        for name in ["output", "overwrite", "report", "o", "--strength", "a b", "compare"] {
            assert_eq!(with(&format!(r#""options":{{"{name}":"x"}}"#)), Fault::Option(name.into()), "{name}");
        }
        assert_eq!(with(r#""options":{"tile":null}"#), Fault::Value("tile".into()));
        assert!(matches!(with(r#""more":1"#), Fault::Json(_)));
        assert_eq!(with(r#""mosaic":"m""#), Fault::Mosaic, "of a series");
        let scene = |more: &str| parse(&format!(r#"{{"id":"a","command":"geo","input":"s",{more}}}"#));
        scene(r#""mosaic":"m","options":{"range":"percentile"}"#).unwrap();
        assert_eq!(scene(r#""mosaic":"a/b""#), Err(Fault::Mosaic));
        assert_eq!(scene(r#""mosaic":"m","options":{"range":"0,9"}"#), Err(Fault::Mosaic));
        let line = |id: &str, command: &str, input: &str| {
            parse(&format!(r#"{{"id":"{id}","command":"{command}","input":{input}}}"#)).unwrap_err()
        };
        for id in ["", ".a", "a/b", "a b", "ä", "-a", &"a".repeat(101)] {
            assert_eq!(line(id, "ct", "\"s\""), Fault::Id, "{id}");
        }
        assert_eq!(line("a", "ct", "[]"), Fault::NoInput);
        assert_eq!(line("a", "ct", "\"-\""), Fault::Stream);
        assert_eq!(line("a", "ct", "\"@list\""), Fault::Stream);
        assert_eq!(line("a", "geo", "[\"s\",\"t\"]"), Fault::OneInput("geo"));
        assert!(matches!(line("a", "ct", "\"s3://b\""), Fault::Address(_)));
        assert!(matches!(line("a", "geo", "\"s3://b/../k.tif\""), Fault::Address(_)));
        assert!(matches!(line("a", "mr", "\"s\""), Fault::Json(_)));
        assert!(matches!(line("a", "ct", "7"), Fault::Json(_)));
    }

    #[test]
    fn relative_inputs_begin_at_the_manifest() {
        let inputs = |command: &str, input: &str| {
            let input = Value::from(input);
            parse(&format!(r#"{{"id":"a","command":"{command}","input":{input}}}"#)).unwrap().inputs(Path::new("/m"))
        };
        assert_eq!(inputs("ct", "a"), ["/m/a"]);
        assert_eq!(inputs("ct", "/a"), ["/a"]);
        assert_eq!(inputs("geo", "/vsis3/b/a.tif"), ["/vsis3/b/a.tif"]);
        for command in ["ct", "geo", "image"] {
            assert_eq!(inputs(command, "s3://b/a b.tif"), ["s3://b/a b.tif"], "{command}");
        }
        assert_eq!(inputs("geo", "NETCDF:\"/x.nc\":red"), ["NETCDF:\"/x.nc\":red"]);
        assert_eq!(inputs("geo", "S2_10:15:30.jp2"), ["/m/S2_10:15:30.jp2"]);
    }

    #[test]
    fn values_that_may_name_somebody_stay_out_of_records() {
        let job = parse(
            r#"{"id":"a","command":"ct","input":"s","options":
                {"select":"PatientName=DOE","strength":0.5,"preview":true,"model":"/home/doe/m.onnx"}}"#,
        );
        let job = job.unwrap();
        let shown = serde_json::to_string(&job.shown_options(false)).unwrap();
        assert!(!shown.to_lowercase().contains("doe") && shown.contains("0.5"), "{shown}");
        assert_eq!(job.shown_options(true), job.options);
    }
}

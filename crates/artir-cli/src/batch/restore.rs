//! Running a job by the functions of its command.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use artir_batch::{Command, End, Fault, Figures, Job, Look, ModelName, State, Store, Survey, folder_of, say_end};
use artir_core::{ALGORITHM, ErrorKind};
use artir_dicom::{Modality, files_of_dicomdir, is_dicomdir, result_form};
use artir_files::Encoding;
use artir_metrics::median;
use artir_volume::{Volume, is_volume};
use serde_json::Value;

use super::command::{Parsed, parse};
use crate::{
    common::Host,
    ct, image,
    names::Names,
    outcome::{Failure, Tally},
    progress::Terminal,
};

/// A larger page is no preview of artir.
const LARGEST_PAGE: u64 = 128 << 20;

/// What is known of all jobs of a run.
pub(super) struct Jobs {
    base: PathBuf,
    out: PathBuf,
    show_paths: bool,
    survey: Option<Survey>,
    allow_remote: bool,
    /// Whether results are put into a store, from a folder for each job.
    uploads: bool,
    /// Command and options that were checked, and whether they lift the restrictions on what GDAL opens.
    checked: Mutex<Checked>,
    /// Hashes of models by command, model and task.
    models: Mutex<HashMap<String, Result<String, String>>>,
}

#[derive(Default)]
struct Checked {
    known: HashSet<String>,
    lifted: Option<bool>,
}

impl Jobs {
    pub(super) fn new(base: PathBuf, out: PathBuf, show_paths: bool) -> Self {
        Self {
            base,
            out,
            show_paths,
            survey: None,
            allow_remote: false,
            uploads: false,
            checked: Mutex::default(),
            models: Mutex::default(),
        }
    }

    /// With the ranges of mosaics.
    pub(super) fn with_survey(mut self, survey: Option<Survey>) -> Self {
        self.survey = survey;
        self
    }

    /// Whether inputs may lie on a network.
    pub(super) fn with_remote(mut self, allow_remote: bool) -> Self {
        self.allow_remote = allow_remote;
        self
    }

    /// With results that are put into a store.
    pub(super) fn with_uploads(mut self, uploads: bool) -> Self {
        self.uploads = uploads;
        self
    }

    /// Where a job writes its result.
    fn place(&self, job: &Job) -> PathBuf {
        folder_of(&self.out, job, self.uploads).join(job.output())
    }

    /// Refuses a job whose options its command does not take.
    pub(super) fn check(&self, job: &Job) -> Result<(), Failure> {
        let fail = |failure: Failure| Failure { message: format!("job {}: {}", job.id, failure.message), ..failure };
        if !self.allow_remote && !job.addresses().is_empty() {
            return Err(fail(Failure::usage("its input is an address on a network: use --allow-remote")));
        }
        if job.mosaic.is_some() && self.survey.is_none() {
            return Err(Failure::usage(Fault::NoSurvey(job.id.clone())));
        }
        let key = form(job);
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if checked.known.contains(&key) {
            return Ok(());
        }
        let parsed = self.parse(job).map_err(fail)?;
        if let Some(lifts) = parsed.lifts_restrictions()
            && *checked.lifted.get_or_insert(lifts) != lifts
        {
            let reason =
                "--allow-remote must be given to all scenes of a manifest, or to none: it holds for a whole process";
            return Err(fail(Failure::usage(reason)));
        }
        // A model that is missing would fail every job.
        parsed.model().map_err(fail)?;
        checked.known.insert(key);
        Ok(())
    }

    /// The command line of a job.
    pub(super) fn parse(&self, job: &Job) -> Result<Parsed, Failure> {
        parse(job, &self.base, &self.place(job))
    }

    /// A text without the paths of a job: its input is `input`, its result is `output`, and folders are left out.
    pub(super) fn plain(&self, job: &Job, text: &str) -> String {
        if self.show_paths {
            return text.to_owned();
        }
        let mut text = text.to_owned();
        let inputs = job.inputs(&self.base);
        let result = self.place(job);
        // The longest name first, or the rest of it would stay.
        let mut names: Vec<(String, &str)> = inputs.iter().map(|input| (input.clone(), "input")).collect();
        names.push((result.display().to_string(), "output"));
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        for (name, word) in &names {
            text = text.replace(name.as_str(), word);
        }
        let places = inputs.iter().map(Path::new).chain([self.base.as_path(), self.out.as_path()]);
        text = Names::new(places, false).in_text(&text);
        let last = inputs.iter().filter_map(|input| Path::new(input).file_name());
        for name in last.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.len() > 3) {
            text = text.replace(&name, "input");
        }
        without_tokens(&text)
    }
}

/// What decides about a job besides its files: the command and its options in a fixed order.
fn form(job: &Job) -> String {
    format!("{} {}", job.command.name(), job.arguments().unwrap_or_default().join("\n"))
}

/// The options that a result depends on: not how fast it is made, and where what is left of it lies meanwhile.
fn deciding(job: &Job) -> Vec<String> {
    let others = ["--threads=", "--work="];
    let arguments = job.arguments().unwrap_or_default();
    arguments.into_iter().filter(|argument| !others.iter().any(|other| argument.starts_with(other))).collect()
}

/// Whether a text is the name of an input without its folder.
fn is_input(job: &Job, text: &str) -> bool {
    job.input.iter().any(|input| Path::new(input).file_name().is_some_and(|name| name == text))
}

/// The files that an input of series or volumes names, and that are read with it: those of a DICOMDIR, and the voxels of a detached
/// NRRD header.
fn named_by(input: &Path) -> Vec<PathBuf> {
    if is_dicomdir(input) {
        return files_of_dicomdir(input);
    }
    let volume = is_volume(input).then(|| Volume::open(input).ok()).flatten();
    volume.map(|volume| volume.files().map(Path::to_owned)).into_iter().flatten().filter(|file| file != input).collect()
}

/// Takes the tokens of files out of a reason, so that jobs with the same reason can be counted.
fn without_tokens(text: &str) -> String {
    let mut out = String::new();
    let mut parts = text.split("file-");
    out += parts.next().unwrap_or_default();
    for part in parts {
        let token = part.get(..12).is_some_and(|token| token.bytes().all(|b| b.is_ascii_hexdigit()));
        out += if token { "a file" } else { "file-" };
        out += if token { &part[12..] } else { part };
    }
    out
}

impl Look for Jobs {
    fn files(&self, job: &Job) -> Vec<PathBuf> {
        #[cfg(feature = "geo")]
        if job.command == Command::Geo {
            let mut files = match self.parse(job) {
                // An object of a store is known by its version, and need not be opened for it.
                Ok(Parsed::Geo(args)) if !job.addresses().is_empty() => args.files_beside(),
                Ok(Parsed::Geo(args)) => args.files(),
                _ => Vec::new(),
            };
            files.extend(job.inputs(&self.base).into_iter().map(PathBuf::from).filter(|path| path.is_file()));
            return files;
        }
        let addresses = job.addresses();
        let inputs = job.inputs(&self.base).into_iter().filter(|input| !addresses.contains(&input.as_str()));
        let mut files: Vec<PathBuf> = inputs.map(PathBuf::from).collect();
        if matches!(job.command, Command::Ct | Command::Pet) {
            let named: Vec<PathBuf> = files.iter().flat_map(|input| named_by(input)).collect();
            files.extend(named);
        }
        files
    }

    fn decides(&self, job: &Job) -> Result<Encoding, String> {
        let text = |name: &str| job.options.get(name).and_then(Value::as_str).unwrap_or_default();
        let key = format!("{} {}\n{}", job.command.name(), text("task"), text("model"));
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        let model = models.entry(key).or_insert_with(|| {
            let model = self.parse(job).and_then(|parsed| parsed.model());
            model.map(|model| model.hash().to_owned()).map_err(|failure| failure.message)
        });
        let model = model.clone().map_err(|reason| self.plain(job, &reason))?;
        let text = Encoding::new("artir-batch-decides", 2)
            .text("command", job.command.name())
            .text("options", &deciding(job).join("\n"))
            .number("algorithm", ALGORITHM)
            .text("model", &model);
        Ok(match job.command {
            Command::Ct => text.nested("results", &result_form(Modality::Ct)),
            Command::Pet => text.nested("results", &result_form(Modality::Pet)),
            #[cfg(feature = "geo")]
            Command::Geo => text.number("results", artir_geo::SCENES),
            _ => text,
        })
    }

    fn stops(&self) -> bool {
        Terminal::is_stopped()
    }

    fn shows_paths(&self) -> bool {
        self.show_paths
    }
}

/// The process that restores.
pub(super) struct Restoring<'a> {
    jobs: &'a Jobs,
    store: &'a Store,
    host: Host,
}

impl<'a> Restoring<'a> {
    pub(super) fn new(jobs: &'a Jobs, store: &'a Store, quiet: bool) -> Self {
        let mut host = Host::new(quiet);
        host.silent = true;
        Self { jobs, store, host }
    }

    /// Restores a job.
    pub(super) fn job(&mut self, job: &Job) -> End {
        if let Some(reason) = self.jobs.survey.as_ref().and_then(|survey| survey.left_out(&job.id)) {
            let reason = format!("the survey left the scene out, run it again when the scene is mended: {reason}");
            say_end(&job.id, State::Unusable, &reason);
            return End::without_result(State::Unusable, reason);
        }
        let parsed = match self.jobs.parse(job) {
            Ok(parsed) => parsed,
            Err(failure) => return End::without_result(State::Unusable, self.jobs.plain(job, &failure.message)),
        };
        let on_network = parsed.is_on_network();
        let (ended, report) = match parsed {
            Parsed::Ct(args) => value(ct::job_ct(args, &mut self.host)),
            Parsed::Pet(args) => value(ct::job_pet(args, &mut self.host)),
            #[cfg(feature = "geo")]
            Parsed::Geo(args) => value(crate::geo::job(*args, &mut self.host)),
            Parsed::Image(args) => (image::job(args, &mut self.host), Value::Null),
        };
        let Some((state, reason)) = settled(&ended, &report) else { return End::Stopped };
        // What GDAL says of a scene on a network does not tell a broken connection from a broken file.
        let state = if state == State::Unusable && on_network { State::Failed } else { state };
        let reason = reason.map(|reason| self.jobs.plain(job, &reason));
        if let Some(reason) = &reason {
            say_end(&job.id, state, reason);
        }
        if matches!(state, State::Done | State::Partial) {
            self.thumbnail(job);
        }
        let last = self.host.last();
        let model = last.map(|restorer| {
            let card = restorer.card();
            ModelName { name: format!("{} {}", card.name, card.version), sha256: restorer.model_hash().to_owned() }
        });
        let runtime = last.map(|restorer| restorer.place());
        let figures = figures(&report);
        let report = (!report.is_null()).then(|| self.plain_values(job, report));
        End::Ended { state, reason, figures, model, runtime, report }
    }

    /// A report without paths. Its own tokens stay: they tell the files of a report apart.
    fn plain_values(&self, job: &Job, value: Value) -> Value {
        match value {
            // Reports of scenes name files without their folders.
            Value::String(text) if !self.jobs.show_paths && is_input(job, &text) => "input".into(),
            Value::String(text) if text.contains('/') => Value::String(self.jobs.plain(job, &text)),
            Value::Array(all) => all.into_iter().map(|one| self.plain_values(job, one)).collect(),
            Value::Object(map) => {
                Value::Object(map.into_iter().map(|(key, one)| (key, self.plain_values(job, one))).collect())
            }
            other => other,
        }
    }

    /// Keeps a small picture of a result that has a preview. A job is done without it.
    fn thumbnail(&self, job: &Job) {
        if job.options.get("preview") != Some(&Value::Bool(true)) {
            return;
        }
        let result = self.jobs.place(job);
        let page = match job.command {
            Command::Geo => Some(result.with_extension("html")),
            _ => fs::read_dir(&result).ok().and_then(|entries| {
                entries
                    .flatten()
                    .map(|entry| entry.path())
                    .filter(|path| path.extension().is_some_and(|e| e == "html"))
                    .min()
            }),
        };
        let mut text = String::new();
        let read = page.and_then(|page| File::open(page).ok()?.take(LARGEST_PAGE).read_to_string(&mut text).ok());
        let picture = read.and_then(|_| artir_batch::thumbnail(&text));
        let written = picture.map(|picture| artir_files::write_file(&self.store.preview(&job.id), true, &picture));
        if !matches!(written, Some(Ok(()))) {
            tracing::warn!(job = job.id, "no small picture of the preview could be kept");
        }
    }
}

fn value<R: serde::Serialize>((ended, report): (Result<Tally, Failure>, R)) -> (Result<Tally, Failure>, Value) {
    (ended, serde_json::to_value(&report).unwrap_or_default())
}

/// How a job ended, and why not well; `None` when it was interrupted.
fn settled(ended: &Result<Tally, Failure>, report: &Value) -> Option<(State, Option<String>)> {
    let (written, failures) = match ended {
        Err(failure) if failure.kind == ErrorKind::Interrupted => return None,
        Err(failure) => (0, std::slice::from_ref(failure)),
        Ok(tally) => (tally.written, tally.failures()),
    };
    let passes = |failure: &&Failure| [ErrorKind::Output, ErrorKind::Device, ErrorKind::Failed].contains(&failure.kind);
    let state = match (failures.iter().find(passes), failures.first()) {
        (_, None) => return Some((State::Done, None)),
        (Some(_), _) => State::Failed,
        (None, _) if written > 0 => State::Partial,
        (None, _) => State::Unusable,
    };
    let failure = failures.iter().find(passes).or(failures.first());
    let reason = reported(report).or_else(|| failure.map(|failure| failure.message.clone()));
    Some((state, reason))
}

/// The first reason of a report, which names files by tokens alone.
fn reported(report: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let all = |key: &str| report.get(key).and_then(Value::as_array).into_iter().flatten();
    let series = || all("series").flat_map(|series| series["problems"].as_array().into_iter().flatten());
    let first = text(&report["problem"]).or_else(|| series().find_map(text));
    let first = first.or_else(|| all("damaged").find_map(text));
    first.or_else(|| all("refused").find_map(|refused| text(&refused["reason"])))
}

/// The figures of a report.
fn figures(report: &Value) -> Figures {
    let all = |key: &str| report.get(key).and_then(Value::as_array).into_iter().flatten();
    let written = || all("series").filter(|series| series["outcome"] != "refused");
    let slices: u64 = written().filter_map(|series| series["slices"].as_u64()).sum();
    let noise = |key: &str| {
        let slices = written().flat_map(|series| series["noise"].as_array().into_iter().flatten());
        median(slices.filter_map(|slice| slice[key].as_f64()).collect())
    };
    let pixels = |scene: &Value| Some(scene["done"]["columns"].as_u64()? * scene["done"]["rows"].as_u64()?);
    let pixels: u64 = all("scenes").filter_map(pixels).sum();
    Figures {
        pixels: (pixels > 0).then_some(pixels),
        slices: (slices > 0).then_some(slices),
        noise_before_hu: noise("before_hu"),
        noise_after_hu: noise("after_hu"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(input: &str) -> Job {
        Job::parse(json!({"id": "a", "command": "ct", "input": input}).to_string().as_bytes()).unwrap()
    }

    #[test]
    fn reasons_name_no_place() {
        let jobs = Jobs::new("/base".into(), "/out".into(), false);
        let job = job("/archive/DOE^JANE/ct 1.nii");
        for (text, expected) in [
            ("/archive/DOE^JANE/ct 1.nii: damaged", "input: damaged"),
            ("/out/a: cannot write: full", "output: cannot write: full"),
            ("ct 1.nii: damaged", "input: damaged"),
            ("file-0123456789ab: damaged", "a file: damaged"),
            ("file-x: damaged", "file-x: damaged"),
            ("/archive/DOE^JANE/other.nii: damaged", "other.nii: damaged"),
        ] {
            assert_eq!(jobs.plain(&job, text), expected);
        }
        let shown = Jobs::new("/base".into(), "/out".into(), true);
        assert_eq!(shown.plain(&job, "/out/a: full"), "/out/a: full");
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        let of = |kinds: &[ErrorKind], written: usize| {
            let mut tally = Tally::new(true);
            tally.written = written;
            for kind in kinds {
                tally.fail(Failure::new(*kind, format!("{kind:?}"))).unwrap();
            }
            settled(&Ok(tally), &Value::Null).unwrap().0
        };
        assert_eq!(of(&[], 1), State::Done);
        assert_eq!(of(&[ErrorKind::Input], 0), State::Unusable);
        assert_eq!(of(&[ErrorKind::Input], 2), State::Partial);
        assert_eq!(of(&[ErrorKind::Input, ErrorKind::Output], 2), State::Failed);
        assert_eq!(of(&[ErrorKind::Device], 0), State::Failed);
        let stopped = Err(Failure::new(ErrorKind::Interrupted, "stopped"));
        assert!(settled(&stopped, &Value::Null).is_none());
    }

    #[test]
    fn figures_and_reasons_come_from_reports() {
        let report = json!({"series": [
            {"outcome": "written", "slices": 3, "problems": [], "noise": [{"before_hu": 20.0, "after_hu": 9.0}]},
            {"outcome": "refused", "slices": 5, "problems": ["no HU"]},
        ]});
        let found = figures(&report);
        assert_eq!((found.slices, found.noise_before_hu, found.noise_after_hu), (Some(3), Some(20.0), Some(9.0)));
        assert_eq!(reported(&report).as_deref(), Some("no HU"));
        let scene = json!({"scenes": [{"done": {"columns": 30, "rows": 20}}]});
        assert_eq!(figures(&scene).pixels, Some(600));
    }

    /// What is in this text makes jobs be done again; neither the runtime nor the version of artir is.
    #[test]
    fn what_decides_is_pinned() {
        let jobs = Jobs::new("/base".into(), "/out".into(), false);
        let decides = |command: &str, options: Value| {
            let line = json!({"id": "a", "command": command, "input": "x", "options": options});
            jobs.decides(&Job::parse(line.to_string().as_bytes()).unwrap()).unwrap()
        };
        let text = decides("ct", json!({"strength": 0.5, "preview": true}));
        let model = artir_zoo_hash();
        let expected = format!(
            "artir-batch-decides 2\ncommand=ct\noptions=--preview\\n--strength=0.5\nalgorithm={ALGORITHM}\nmodel={model}\n\
             results={}\n",
            result_form(Modality::Ct).hash()
        );
        assert_eq!(text.as_str(), expected);
        assert_ne!(result_form(Modality::Ct), result_form(Modality::Pet));
        let scene = decides("geo", json!({"range": "0,255", "threads": 3, "work": "/scratch"}));
        assert_eq!(scene, decides("geo", json!({"range": "0,255", "threads": 5})));
        assert_ne!(scene, decides("geo", json!({"range": "0,254"})));
        assert!(scene.as_str().ends_with(&format!("results={}\n", artir_geo::SCENES)));
    }

    fn artir_zoo_hash() -> String {
        let args = parse(&job("x"), Path::new("/"), Path::new("/out/a")).unwrap();
        args.model().unwrap().hash().to_owned()
    }

    #[test]
    fn options_are_checked_before_the_work() {
        let jobs = Jobs::new("/base".into(), "/out".into(), false);
        let with = |command: &str, options: Value| {
            let line = json!({"id": "a", "command": command, "input": "x", "options": options});
            jobs.check(&Job::parse(line.to_string().as_bytes()).unwrap()).map_err(|failure| failure.message)
        };
        with("ct", json!({"strength": 0.5, "noise": 0})).unwrap_err();
        with("ct", json!({"window": "-600/1500", "preview": true})).unwrap();
        let unknown = with("pet", json!({"haze": true})).unwrap_err();
        assert!(unknown.starts_with("job a: ") && unknown.contains("--haze"), "{unknown}");
        with("geo", json!({"allow-remote": true})).unwrap();
        assert!(with("geo", json!({"strict": true})).unwrap_err().contains("--allow-remote"));
    }
}

//! The inputs that determine a derived series, as text with a version. UIDs, manifests and journals depend on it. Neither
//! the version of the runtime nor that of artir is part of it, so that the same pixels keep their UIDs.

use std::fs::File;

use artir_files::{Encoding, hash_file};

use super::{RestoreOptions, Restoring, place::Place};
use crate::{
    Instance, Modality, Reason, Series, read::suv::PetUnits, restore::scale::Scale, uid, write::staging::Identity,
};

/// The version of the attributes of derived objects. Raise it with every change after which the same source and
/// settings give other attributes, so that `--resume` makes older objects anew. Their UIDs stay.
const OBJECTS: u32 = 2;

/// What of artir decides derived objects, besides the model, the settings and [`artir_core::ALGORITHM`].
pub fn result_form(modality: Modality) -> Encoding {
    least(modality, Encoding::new("artir-objects", OBJECTS))
}

/// What the network gives for PET is not written below 0. CT, whose pixels have not changed, keeps its UIDs.
fn least(modality: Modality, text: Encoding) -> Encoding {
    if modality == Modality::Pet { text.text("least", "0") } else { text }
}

/// The inputs that make derived objects one series: the source series, and the model and settings, but not the slices.
/// A series that gets more slices keeps it.
pub(super) fn series(series: &Series, what: &Restoring<'_>, options: &RestoreOptions) -> Encoding {
    let unit = match (series.modality, options.units) {
        (Modality::Ct, _) => "HU",
        (Modality::Pet, PetUnits::Suv) => "SUV",
        (Modality::Pet, PetUnits::SuvLbm) => "SUVlbm",
        (Modality::Pet, PetUnits::SuvIbw) => "SUVibw",
        (Modality::Pet, PetUnits::Native) => "native",
    };
    let text = Encoding::new("artir-series", 1)
        .text("source", &series.uid)
        .text("group", &series.folder)
        .text("unit", unit)
        .text("pixels", what.decides);
    let text = least(series.modality, text);
    match options.rescale {
        Some(rescale) => text.text("rescale", &rescale.terms().join(" ")),
        None => text,
    }
}

/// The derived SeriesInstanceUID.
pub(super) fn series_uid(series: &Encoding) -> String {
    uid::derive(&[series.as_str().as_bytes()])
}

/// The identity of a folder of derived objects.
pub(super) fn identity(series: &Encoding, what: &Restoring<'_>, options: &RestoreOptions) -> Identity {
    let RestoreOptions {
        overwrite: _,
        resume: _,
        allow_partial: _,
        suffix,
        series_description,
        timestamp,
        syntax,
        // The manifest lists the names.
        names: _,
        // Included in the series' identity.
        units: _,
        rescale: _,
        codec_process: _,
        decoders: _,
    } = options;
    let settings = Encoding::new("artir-objects", OBJECTS).text("task", what.task).text("syntax", syntax.uid());
    let settings = match series_description {
        Some(text) => settings.text("description", text.as_str()),
        None => settings.text("suffix", suffix.as_str()),
    };
    let settings = match timestamp {
        Some(time) => settings.text("created", time.as_str()),
        None => settings,
    };
    Identity { series: series.hash(), settings: settings.hash() }
}

/// Hash of a source's file.
pub(super) fn hash_source(instance: &Instance) -> Result<String, Reason> {
    Ok(hash_file(File::open(&instance.path)?)?)
}

/// The key of the object that is made of a source: its UID, all of its bytes, and the scale of each frame, which hangs on
/// other slices too where PET is restored.
pub(super) fn key(place: &Place<'_>, sha256: &str, scale: &Scale) -> String {
    let instance = place.instance;
    let mut source = Encoding::new("artir-source", 1).text("instance", &instance.uid).text("sha256", sha256);
    if let Some(single) = &place.single {
        source = source.text("frame", &single.frame.to_string());
    }
    for frame in place.frames.clone() {
        source = match scale.per_unit(&instance.path, frame) {
            Ok(scale) => source.float("scale", scale),
            // Restoring it will fail and report the reason.
            Err(_) => source.text("scale", "unknown"),
        };
    }
    source.hash()
}

/// The key of an object whose slices are restored with the help of others: its own, and theirs with the frames that are used.
/// Without others it is its own.
pub(super) fn key_among<'a>(own: &str, beside: impl Iterator<Item = (&'a str, u32)>) -> String {
    let mut beside = beside.peekable();
    if beside.peek().is_none() {
        return own.to_owned();
    }
    let text = Encoding::new("artir-neighbours", 1).text("own", own);
    beside.fold(text, |text, (key, frame)| text.text("beside", &format!("{key} {frame}"))).hash()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Description, Timestamp, restore::plan};

    /// A change of these texts changes the UIDs of derived series, or restarts interrupted runs. Raise the version in the
    /// first line, and add a line to the changelog.
    #[test]
    fn forms_are_pinned() {
        let (dir, found) = crate::restore::tests::folder(&[("a", crate::restore::tests::slice(0.0, "1.2.3.1", 1))]);
        let source = &found.series[0];
        let decides = "artir-pixels 1\nmodel=x\n";
        let what = Restoring { provenance: "any runtime", decides, ..crate::restore::tests::WHAT };
        let options = RestoreOptions::default();
        let text = series(source, &what, &options);
        assert_eq!(
            text.as_str(),
            format!(
                "artir-series 1\nsource=1.2.3\ngroup={}\nunit=HU\npixels=artir-pixels 1\\nmodel=x\\n\n",
                source.folder
            )
        );
        let of_other_runtime = Restoring { provenance: "another", ..what };
        assert_eq!(series(source, &of_other_runtime, &options), text);
        let settings = identity(&text, &what, &options).settings;
        let form = "artir-objects 2\ntask=a test\nsyntax=1.2.840.10008.1.2.1\nsuffix=artir\n";
        assert_eq!(settings, hash_file(form.as_bytes()).unwrap());
        for other in [
            RestoreOptions { timestamp: Some(Timestamp::new("20240101000000").unwrap()), ..RestoreOptions::default() },
            RestoreOptions {
                series_description: Some(Description::new("artir").unwrap()),
                ..RestoreOptions::default()
            },
            RestoreOptions { syntax: crate::OutputSyntax::RleLossless, ..RestoreOptions::default() },
        ] {
            assert_ne!(identity(&text, &what, &other).settings, settings, "{other:?}");
        }
        let sha256 = hash_file(File::open(dir.path().join("a")).unwrap()).unwrap();
        let form = format!("artir-source 1\ninstance=1.2.3.1\nsha256={sha256}\nscale=3ff0000000000000\n");
        let places = plan::places(source, &options);
        assert_eq!(key(&places[0], &sha256, &Scale::Same(1.0)), hash_file(form.as_bytes()).unwrap());
    }

    #[test]
    fn derived_uids_are_pinned() {
        let text = Encoding::new("artir-series", 1).text("source", "1.2.3");
        assert_eq!(series_uid(&text), "2.25.12740102345017115233451649986432480144");
    }
}

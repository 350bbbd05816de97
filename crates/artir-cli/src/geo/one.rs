//! Restores one scene, and writes what belongs next to its result.

use std::path::Path;

use artir_core::Restorer;
use artir_files::is_taken;
use artir_geo::{Scene, SceneReport};

use super::{Args, streams::Streams};
use crate::{
    outcome::Failure,
    outputs::{Kind, Outputs},
    progress::Terminal,
};

/// A scene, where its result goes, and by what it is restored.
pub(super) struct One<'a> {
    pub(super) scene: &'a Scene,
    /// The scene's name in messages.
    pub(super) path: &'a str,
    pub(super) out: &'a Path,
    pub(super) args: &'a Args,
    pub(super) streams: &'a Streams,
    pub(super) restorer: &'a Restorer,
}

impl One<'_> {
    /// Restores the scene and writes what belongs next to it. `None` with `--dry-run`, which says what would be done.
    pub(super) fn restore(&self, progress: &Terminal) -> Result<Option<SceneReport>, Failure> {
        let Self { scene, path, out, args, streams, restorer } = *self;
        if let Some((value, share)) = scene.undeclared_fill() {
            // Without an exponent, the least number of 32 bits has 39 digits.
            let value = if value.abs() < 1e15 { value.to_string() } else { format!("{value:e}") };
            tracing::warn!(
                "{path}: {:.1} % of its pixels are {value} in all bands, which the file does not declare as nodata: they stay as they \
                 are and are kept out of the range (--nodata {value} states it, --nodata none restores them)",
                100.0 * share
            );
        }
        let options = args.write_options(args.format_of(out)?, streams);
        args.check_beside(scene, out)?;
        let mut space = Outputs::default();
        let least = artir_geo::least_space(scene, &options);
        space.needs(out, least.result);
        space.needs(args.work.as_deref().unwrap_or(out), least.journal);
        space.check_space()?;
        if args.dry_run {
            let shape = scene.shape();
            artir_geo::check_model(scene, restorer.card())?;
            artir_geo::rehearse(scene, out, &options)?;
            let plan = artir_geo::plan(scene, restorer)?;
            say!("{path} -> {} ({}x{}, {plan})", out.display(), shape.columns, shape.rows);
            return Ok(None);
        }
        let done = artir_geo::restore_scene(scene, restorer, out, &options, progress)?;
        if !done.lost.is_empty() {
            let (out, lost) = (streams.in_text(&out.display().to_string()), done.lost.join(", "));
            tracing::warn!("{out}: the result cannot hold the scene's {lost}");
        }
        self.write_beside(&done)?;
        Ok(Some(done))
    }

    /// With `--resume`, finds whether an earlier run of the same model and settings has finished the scene. Its result stays as it
    /// is, and what is missing next to it is written.
    pub(super) fn finished(&self, checks: &mut Outputs) -> Result<Option<SceneReport>, Failure> {
        let Self { scene, path, out, args, streams, restorer } = *self;
        let options = args.write_options(args.format_of(out)?, streams);
        let Some(done) = artir_geo::finished(scene, restorer, out, &options)? else { return Ok(None) };
        for (what, place) in args.places(out).iter().filter(|(_, place)| !is_taken(place)) {
            checks.add(what, place, Kind::File, false)?;
        }
        if args.dry_run {
            say!("{path} -> {} (finished by an earlier run)", out.display());
            return Ok(Some(done));
        }
        tracing::info!("{path}: {} was finished by an earlier run and stays as it is", out.display());
        args.check_beside(scene, out)?;
        self.write_beside(&done)?;
        Ok(Some(done))
    }

    /// Writes the preview, the change layer and the STAC item.
    fn write_beside(&self, done: &SceneReport) -> Result<(), Failure> {
        let Self { scene, args, streams, restorer, .. } = *self;
        let out = &done.path;
        // Before a run, all of these names were free, or an earlier run of the same settings has used them.
        let missing = |path: &Path| args.overwrite || !is_taken(path);
        let model = format!("{} {}", restorer.card().name, restorer.card().version);
        let (page, item) = (out.with_extension("html"), out.with_extension("stac.json"));
        if args.preview && missing(&page) {
            let preview = artir_geo::Preview::new(scene.gdal_name(), out, scene.bands()).with_title(&model);
            artir_geo::write_preview(&page, &preview, args.overwrite)?;
        }
        if let Some(change) = args.change.as_deref().filter(|path| missing(path)) {
            let options = args.write_options(args.format_of(out)?, streams);
            artir_geo::write_change(scene, out, change, &options)?;
        }
        if args.stac && missing(&item) {
            artir_geo::write_stac(scene, done, &model, &item, args.overwrite)?;
        }
        Ok(())
    }
}

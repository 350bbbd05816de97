//! One self-contained page to scroll through a series: before, after, and their difference.
//!
//! The page carries its pictures and may load nothing: a Content-Security-Policy forbids every request, and admits one
//! style and one script by their hashes. It holds no patient data but the pictures: a heading, slice numbers, positions
//! and the window. Slices come one at a time and go straight to a temporary file in the page's folder.

mod series;
mod window;

use std::{
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use artir_files::NewFile;
use artir_page::{Inline, Samples, escape, fill, number, ordinal, png};
use ndarray::ArrayView2;

use window::Greys;

pub use series::preview_series;
pub use window::{DisplayWindow, WindowError};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Largest size of a page, bytes: small enough for browsers and for e-mail.
const LIMIT: u64 = 64_000_000;

/// Writes the page, which appears under its name when [`finish`](Self::finish) returns. If dropped earlier, it leaves no
/// file. Until then only its owner can read it, afterwards the umask decides.
#[derive(Debug)]
pub struct PreviewWriter {
    page: NewFile,
    target: PathBuf,
    unit: String,
    window: DisplayWindow,
    greys: Greys,
    inline: Inline,
    /// Slices that will be added.
    slices: usize,
    /// Slices that were added, shown or not.
    seen: usize,
    /// Show every n-th slice.
    every: usize,
    /// Position of the shown slices in the file: offset and length.
    records: Vec<(u64, usize)>,
    /// Largest offset at which the slices may end.
    limit: u64,
}

impl PreviewWriter {
    /// Begins a page at `path` and creates its folder if needed. An existing page is replaced at the end.
    ///
    /// `heading` names the series without naming the patient, `unit` is that of the values (`HU` or `SUV`), and
    /// `slices` is how many will be added: it decides how many of them are shown.
    ///
    /// # Errors
    /// `InvalidInput` for a window that PS3.3 C.11.2.1.2 does not define for this unit: less than 1 HU wide, not above
    /// 0, not finite; and errors of the file system.
    pub fn create(path: &Path, heading: &str, unit: &str, window: DisplayWindow, slices: usize) -> io::Result<Self> {
        Self::with_limit(path, heading, unit, window, slices, LIMIT)
    }

    fn with_limit(
        path: &Path,
        heading: &str,
        unit: &str,
        window: DisplayWindow,
        slices: usize,
        limit: u64,
    ) -> io::Result<Self> {
        let greys = Greys::new(window, unit).ok_or_else(|| {
            let DisplayWindow { centre, width } = window;
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{centre}/{width} {unit} is not a valid display window"),
            )
        })?;
        let mut writer = Self {
            page: NewFile::create(path)?,
            target: path.to_owned(),
            unit: escape(unit),
            window,
            greys,
            inline: Inline::new(STYLE, SCRIPT),
            slices,
            seen: 0,
            every: 1,
            records: Vec::new(),
            limit,
        };
        let (head, tail) = parts();
        let head = writer.fill(head, &[("heading", &escape(heading))]);
        // The last part is written last, and is a little longer than its template.
        writer.limit = limit.saturating_sub((tail.len() + writer.inline.script_len() + 1000) as u64);
        writer.page.file().write_all(head.as_bytes())?;
        Ok(writer)
    }

    /// Adds a slice, HU or SUV by `[row, column]`. It may be one of those that are not shown.
    ///
    /// `index` counts from 0, `position_mm` is along the slice normal, and `pixel_spacing_mm` is that of rows and of
    /// columns, as in PixelSpacing (0028,0030); pixels without a usable spacing are shown as squares.
    ///
    /// # Errors
    /// `InvalidInput` for pictures that are empty or of different sizes, and errors of the file system. The page is
    /// of no use after an error.
    pub fn add(
        &mut self,
        index: usize,
        position_mm: Option<f64>,
        pixel_spacing_mm: [f64; 2],
        before: ArrayView2<'_, f32>,
        after: ArrayView2<'_, f32>,
    ) -> io::Result<()> {
        let invalid = |reason: &str| io::Error::new(io::ErrorKind::InvalidInput, reason.to_owned());
        if before.dim() != after.dim() || before.is_empty() {
            return Err(invalid("a slice is empty, or has another size before than after"));
        }
        let ordinal = self.seen;
        self.seen += 1;
        if !ordinal.is_multiple_of(self.every) {
            return Ok(());
        }
        let (rows, columns) = before.dim();
        let size = (columns, rows);
        let grey = |values: ArrayView2<'_, f32>| -> Vec<u8> { values.iter().map(|v| self.greys.of(*v)).collect() };
        let change: Vec<u8> = before.iter().zip(after).map(|(b, a)| self.greys.of_change(*b, *a)).collect();
        let record = format!(
            "{}\n{{\"number\":{},\"position\":{},\"aspect\":{:.6},\"before\":\"{}\",\"after\":\"{}\",\"difference\":\"{}\"}}",
            if self.records.is_empty() { "" } else { "," },
            index + 1,
            position_mm.filter(|p| p.is_finite()).map_or("null".into(), |p| format!("{p:.3}")),
            aspect(size, pixel_spacing_mm),
            png(size, Samples::Grey, &grey(before))?,
            png(size, Samples::Grey, &grey(after))?,
            png(size, Samples::Grey, &change)?,
        );
        let at = self.page.file().stream_position()?;
        if self.records.is_empty() {
            let fit = self.limit.saturating_sub(at) / record.len() as u64;
            self.every = self.slices.div_ceil(usize::try_from(fit).unwrap_or(usize::MAX).max(1)).max(1);
        }
        self.page.file().write_all(record.as_bytes())?;
        self.records.push((at, record.len()));
        // The first slice may have compressed well, so the size is checked for each. A single slice cannot be thinned out.
        while self.page.file().stream_position()? > self.limit && self.records.len() > 1 {
            self.thin_out()?;
        }
        Ok(())
    }

    /// Drops every other slice from the file, in place. The first one stays the first: the others follow a comma.
    fn thin_out(&mut self) -> io::Result<()> {
        let mut kept: Vec<(u64, usize)> = Vec::with_capacity(self.records.len().div_ceil(2));
        let mut record = Vec::new();
        for &(from, length) in self.records.iter().step_by(2) {
            let to = kept.last().map_or(from, |(at, length)| at + *length as u64);
            record.resize(length, 0);
            self.page.file().seek(SeekFrom::Start(from))?;
            self.page.file().read_exact(&mut record)?;
            self.page.file().seek(SeekFrom::Start(to))?;
            self.page.file().write_all(&record)?;
            kept.push((to, length));
        }
        let end = self.page.file().stream_position()?;
        self.page.file().set_len(end)?;
        self.records = kept;
        self.every = self.every.saturating_mul(2);
        Ok(())
    }

    /// Completes the page and gives it its name, which is returned.
    ///
    /// # Errors
    /// `InvalidInput` when no slice was added, and errors of the file system.
    pub fn finish(mut self) -> io::Result<PathBuf> {
        if self.seen == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a page without slices"));
        }
        let total = self.seen.to_string();
        let shown = match (self.every, self.seen) {
            (_, 1) => "The series has one slice.".to_owned(),
            (1, all) => format!("All {all} slices are shown."),
            (every, all) => format!("To keep the page small, every {} slice is shown, of {all}.", ordinal(every)),
        };
        let (_, tail) = parts();
        let tail = self.fill(tail, &[("total", &total), ("shown", &shown)]);
        self.page.file().write_all(tail.as_bytes())?;
        let Self { page, target, .. } = self;
        page.publish(true)?;
        Ok(target)
    }

    /// A part of the page, filled in with the known values and `more`. All values are HTML.
    fn fill(&self, part: &str, more: &[(&str, &str)]) -> String {
        let DisplayWindow { centre, width } = self.window;
        let Greys { black, white, range } = self.greys;
        let numbers = [("centre", centre), ("width", width), ("black", black), ("white", white), ("range", range)];
        let numbers = numbers.map(|(name, value)| (name, number(value, 4)));
        let mut values = self.inline.values().to_vec();
        values.push(("unit", &self.unit));
        values.extend(numbers.iter().map(|(name, value)| (*name, value.as_str())));
        values.extend(more);
        fill(part, &values)
    }
}

/// The page before and after its slices.
fn parts() -> (&'static str, &'static str) {
    PAGE.split_once("{{slices}}").unwrap_or((PAGE, ""))
}

/// Width of a picture by its height. Columns lie the second number of a spacing apart.
fn aspect((columns, rows): (usize, usize), [between_rows, between_columns]: [f64; 2]) -> f64 {
    let pixel = between_columns / between_rows;
    // No real pixel has an aspect ratio of 100.
    let usable = between_rows > 0.0 && between_columns > 0.0 && (0.01..=100.0).contains(&pixel);
    columns as f64 / rows as f64 * if usable { pixel } else { 1.0 }
}

#[cfg(test)]
mod tests;

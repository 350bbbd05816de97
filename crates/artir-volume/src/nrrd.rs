//! NRRD, attached and detached (<https://teem.sourceforge.net/nrrd/format.html>). The lines of the header stay as they are;
//! only fields that the result changes are replaced.

use std::{
    collections::BTreeSet,
    io::Read,
    path::{Component, Path, PathBuf},
};

use crate::{
    Reason,
    form::{Form, Unit},
    sample::{Sample, Storage},
};

/// The lines of a header, without their ends and without the blank line that ends the header.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Header {
    lines: Vec<Vec<u8>>,
}

/// How the voxels are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Raw,
    Gzip,
}

/// The longest header.
const MOST_HEADER: u64 = 1 << 20;
/// The key of artir's remark.
const MARK: &str = "artir";
/// Fields of a detached header, and of bytes before the voxels.
const OF_PLACE: [&str; 4] = ["datafile", "byteskip", "lineskip", "endian"];

/// Whether a file begins as NRRD does.
pub(crate) fn is_nrrd(head: &[u8]) -> bool {
    head.starts_with(b"NRRD000")
}

impl Header {
    /// Reads the lines up to a blank one, or to the end of a detached header, and counts the bytes.
    ///
    /// # Errors
    /// [`Reason::Other`], and a header that does not end.
    pub(crate) fn read(from: &mut dyn Read) -> Result<(Self, u64), Reason> {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let mut line = Vec::new();
        let mut length = 0u64;
        let mut byte = [0];
        loop {
            let at_end = from.read(&mut byte)? == 0;
            length += u64::from(!at_end);
            if length > MOST_HEADER {
                return Err(Reason::damaged("its header does not end"));
            }
            if !at_end && byte[0] != b'\n' {
                line.push(byte[0]);
                continue;
            }
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            if lines.is_empty() && !is_nrrd(&line) {
                return Err(Reason::Other);
            }
            if at_end || line.is_empty() {
                lines.extend((!line.is_empty()).then_some(line));
                return Ok((Self { lines }, length));
            }
            lines.push(std::mem::take(&mut line));
        }
    }

    /// The value of a field.
    fn field(&self, name: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| {
            let (key, value) = field(line)?;
            (key == name).then_some(value)
        })
    }

    fn words(&self, name: &str) -> Option<Vec<&str>> {
        Some(self.field(name)?.split_whitespace().collect())
    }

    fn number(&self, name: &str) -> Option<i64> {
        self.field(name)?.parse().ok()
    }

    /// The file that holds the voxels, beside a detached header.
    ///
    /// # Errors
    /// Voxels in several files, or outside of the header's folder.
    pub(crate) fn data_file(&self, header: &Path) -> Result<Option<PathBuf>, Reason> {
        let Some(name) = self.field("datafile") else { return Ok(None) };
        if name.starts_with("LIST") || name.contains('%') {
            return Err(Reason::unsupported("its voxels are in several files"));
        }
        // A header from elsewhere must not name any file of this machine.
        let plain = Path::new(name).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        if !plain {
            return Err(Reason::unsupported("its data file is not in the folder of its header, or below it"));
        }
        Ok(Some(header.parent().unwrap_or(Path::new("")).join(name)))
    }

    /// # Errors
    /// An encoding that is not read.
    pub(crate) fn packing(&self) -> Result<Packing, Reason> {
        match self.field("encoding").map(str::to_ascii_lowercase).as_deref() {
            Some("raw") => Ok(Packing::Raw),
            Some("gz" | "gzip") => Ok(Packing::Gzip),
            // What the standard does not know may be anything, a name too, and is not repeated.
            Some(known @ ("bz2" | "bzip2" | "txt" | "text" | "ascii" | "hex")) => {
                Err(Reason::unsupported(format!("its encoding is {known}, and raw and gzip can be read")))
            }
            Some(_) => Err(Reason::unsupported("its encoding is neither raw nor gzip")),
            None => Err(Reason::unsupported("it states no encoding")),
        }
    }

    /// Lines, then bytes to skip before the voxels; -1 bytes stands for whatever is before the last ones of a file that is not
    /// packed.
    pub(crate) fn skips(&self) -> Result<(usize, i64), Reason> {
        let number = |name: &str| self.field(name).map_or(Some(0i64), |text| text.parse().ok());
        let least = if self.packing()? == Packing::Raw { -1 } else { 0 };
        let lines = number("lineskip").and_then(|lines| usize::try_from(lines).ok());
        let bytes = number("byteskip").filter(|bytes| *bytes >= least);
        lines.zip(bytes).ok_or_else(|| Reason::damaged("its line skip or byte skip is out of range"))
    }

    /// # Errors
    /// The reason why the volume cannot be restored.
    pub(crate) fn form(&self) -> Result<Form, Reason> {
        let missing = |name: &str| Reason::Damaged(format!("its header has no usable {name}"));
        // Other readers may take another of them.
        let mut names = BTreeSet::new();
        if !self.lines.iter().filter_map(|line| field(line)).all(|(name, _)| names.insert(name)) {
            return Err(Reason::damaged("its header states a field twice"));
        }
        let sample = sample(self.field("type").ok_or_else(|| missing("type"))?)?;
        let dimension = self.number("dimension").and_then(|n| usize::try_from(n).ok()).filter(|n| (1..=16).contains(n));
        let dimension = dimension.ok_or_else(|| missing("dimension"))?;
        let sizes: Option<Vec<usize>> =
            self.words("sizes").and_then(|words| words.iter().map(|w| w.parse().ok().filter(|n| *n > 0)).collect());
        let sizes = sizes.filter(|sizes| sizes.len() == dimension).ok_or_else(|| missing("sizes"))?;
        let big_endian = match self.field("endian").map(str::to_ascii_lowercase).as_deref() {
            Some("big") => true,
            Some("little") => false,
            _ if sample.width() == 1 => false,
            _ => return Err(missing("endian")),
        };
        let vectors = self.field("spacedirections").map(|text| vectors(text).filter(|v| v.len() == dimension));
        let vectors = match vectors {
            Some(None) => return Err(missing("space directions")),
            Some(Some(vectors)) => Some(vectors),
            None => None,
        };
        let space = self.space_axes(dimension, vectors.as_deref())?;
        let signs = self.signs();
        let of_space = self.millimetres("spaceunits", 3);
        let directions = vectors.zip(signs).map(|(vectors, signs)| {
            space.map(|axis| {
                let vector = vectors[axis].unwrap_or_default();
                std::array::from_fn(|i| vector[i] * signs[i] * of_space[i])
            })
        });
        let spacings = self.words("spacings");
        let of_axes = self.millimetres("units", dimension);
        let spacing = space.map(|axis| {
            let stated = spacings.as_ref().and_then(|words| words.get(axis)?.parse().ok());
            let length = stated.unwrap_or(1.0f64).abs();
            if length.is_finite() && length > 0.0 { length * of_axes[axis] } else { 1.0 }
        });
        let spacing = match &directions {
            Some(directions) => directions.map(|d: [f64; 3]| d.iter().map(|v| v * v).sum::<f64>().sqrt()),
            None => spacing,
        };
        let unit = self.field("sampleunits").and_then(Unit::read);
        Ok(Form {
            storage: Storage { sample, big_endian },
            sizes,
            space,
            directions,
            spacing,
            slope: 1.0,
            intercept: 0.0,
            unit,
            restored: self.lines.iter().any(|line| line.starts_with(format!("{MARK}:=").as_bytes())),
        })
    }

    /// The axes of space: those with directions, or kinds that say so, or the first three.
    fn space_axes(&self, dimension: usize, vectors: Option<&[Option<[f64; 3]>]>) -> Result<[usize; 3], Reason> {
        let kinds: Vec<String> =
            self.words("kinds").unwrap_or_default().iter().map(|kind| kind.to_ascii_lowercase()).collect();
        let is_space = |axis: usize| match (vectors, kinds.get(axis).map(String::as_str)) {
            (Some(vectors), _) => vectors[axis].is_some(),
            (None, Some(kind)) => kind == "domain" || kind == "space",
            (None, None) => axis < 3,
        };
        let (space, others): (Vec<usize>, Vec<usize>) = (0..dimension).partition(|axis| is_space(*axis));
        let plain = |axis: &usize| {
            let kind = kinds.get(*axis).map_or("none", String::as_str);
            matches!(kind, "list" | "time" | "none" | "point" | "???" | "domain" | "space")
        };
        if !others.iter().all(plain) {
            return Err(Reason::unsupported("its kinds name colours, vectors or other parts of a voxel"));
        }
        <[usize; 3]>::try_from(space)
            .map_err(|space| Reason::Unsupported(format!("it has {} axes of space, not three", space.len())))
    }

    /// Millimetres of the unit of each axis, by a field of quoted words. Axes without a unit are in millimetres.
    fn millimetres(&self, name: &str, axes: usize) -> Vec<f64> {
        let words = self.field(name).unwrap_or_default().split('"').skip(1).step_by(2);
        let known = words.map(|word| match word.trim() {
            "m" => 1e3,
            "cm" => 10.0,
            "um" | "\u{b5}m" | "\u{3bc}m" | "micron" | "microns" => 1e-3,
            _ => 1.0,
        });
        known.chain(std::iter::repeat(1.0)).take(axes).collect()
    }

    /// The factors from the header's space to left, posterior, superior; `None` for another space.
    fn signs(&self) -> Option<[f64; 3]> {
        let space = self.field("space")?.to_ascii_lowercase();
        match space.trim_end_matches("-time") {
            "left-posterior-superior" | "lps" | "lpst" => Some([1.0, 1.0, 1.0]),
            "right-anterior-superior" | "ras" | "rast" => Some([-1.0, -1.0, 1.0]),
            "left-anterior-superior" | "las" | "last" => Some([1.0, -1.0, 1.0]),
            _ => None,
        }
    }

    /// The header of a result. `data` names the file of the voxels of a detached one; `float` states 32-bit floats; `unit` states
    /// the unit of values that were rescaled.
    pub(crate) fn derived(&self, data: Option<&str>, float: bool, unit: Option<&str>, remark: &str) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        for (i, line) in self.lines.iter().enumerate() {
            match field(line).map(|(key, _)| key).as_deref() {
                // Keys and values came with the second version.
                _ if i == 0 && line.starts_with(b"NRRD0001") => lines.push(b"NRRD0002".to_vec()),
                // The voxels are put in the place of the header's.
                Some(key) if OF_PLACE.contains(&key) && key != "endian" => {}
                Some("type") if float => lines.push(b"type: float".to_vec()),
                Some("sampleunits") if unit.is_some() => {}
                _ => lines.push(line.clone()),
            }
        }
        if float && self.field("endian").is_none() {
            lines.push(b"endian: little".to_vec());
        }
        lines.extend(unit.map(|unit| format!("sample units: \"{unit}\"").into_bytes()));
        lines.push(format!("{MARK}:={remark}").into_bytes());
        // The data file is the last field of a detached header.
        lines.extend(data.map(|name| format!("data file: {name}").into_bytes()));
        let mut bytes = lines.join(&b'\n');
        bytes.extend(if data.is_some() { b"\n".as_slice() } else { b"\n\n" });
        bytes
    }
}

/// Name, without blanks and in small letters, and value of a field. Comments and keys with values of the user are none.
fn field(line: &[u8]) -> Option<(String, &str)> {
    let text = std::str::from_utf8(line).ok().filter(|text| !text.starts_with('#'))?;
    // A key may hold a colon. A blank follows that of a field.
    if text.find(":=").is_some_and(|at| !text[..at].contains(": ")) {
        return None;
    }
    let (name, value) = text.split_once(':')?;
    let name: String = name.chars().filter(|c| !c.is_whitespace()).collect();
    Some((name.to_ascii_lowercase(), value.trim()))
}

fn sample(name: &str) -> Result<Sample, Reason> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "signed char" | "int8" | "int8_t" => Sample::I8,
        "uchar" | "unsigned char" | "uint8" | "uint8_t" => Sample::U8,
        "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => Sample::I16,
        "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => Sample::U16,
        "int" | "signed int" | "int32" | "int32_t" => Sample::I32,
        "uint" | "unsigned int" | "uint32" | "uint32_t" => Sample::U32,
        "float" => Sample::F32,
        "double" => Sample::F64,
        _ => return Err(Reason::unsupported("its type is none of 8 to 32-bit integers, float and double")),
    })
}

/// Vectors such as `(0.7,0,0) none (0,0,1)`.
fn vectors(text: &str) -> Option<Vec<Option<[f64; 3]>>> {
    let mut rest = text.trim();
    let mut out = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("none") {
            out.push(None);
            rest = after.trim_start();
            continue;
        }
        let (inside, after) = rest.strip_prefix('(')?.split_once(')')?;
        let numbers: Vec<f64> = inside.split(',').map(|n| n.trim().parse().ok()).collect::<Option<_>>()?;
        let vector = <[f64; 3]>::try_from(numbers).ok()?;
        if !vector.iter().all(|v| v.is_finite()) || vector == [0.0; 3] {
            return None;
        }
        out.push(Some(vector));
        rest = after.trim_start();
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLICER: &str = "NRRD0004\n# Complete NRRD file format specification at:\ntype: short\ndimension: 3\n\
                          space: left-posterior-superior\nsizes: 4 5 6\n\
                          space directions: (0.5,0,0) (0,0.75,0) (0,0,2)\nkinds: domain domain domain\nendian: little\n\
                          encoding: gzip\nspace origin: (-1,-2,-3)\n\n";

    fn read(text: &str) -> Header {
        let (header, length) = Header::read(&mut text.as_bytes()).unwrap();
        assert_eq!(length as usize, text.len());
        header
    }

    #[test]
    fn headers_of_slicer_are_read() {
        let form = read(SLICER).form().unwrap();
        assert_eq!((form.sizes, form.space, form.spacing), (vec![4, 5, 6], [0, 1, 2], [0.5, 0.75, 2.0]));
        assert_eq!(form.directions, Some([[0.5, 0.0, 0.0], [0.0, 0.75, 0.0], [0.0, 0.0, 2.0]]));
        assert_eq!(form.storage, Storage { sample: Sample::I16, big_endian: false });
        assert_eq!(read(SLICER).packing().unwrap(), Packing::Gzip);
        let ras = SLICER.replace("left-posterior-superior", "RAS").replace('\n', "\r\n");
        assert_eq!(read(&ras).form().unwrap().directions, Some([[-0.5, 0.0, 0.0], [0.0, -0.75, 0.0], [0.0, 0.0, 2.0]]));
        // A sequence of Slicer: the frames are the fastest axis.
        let frames = SLICER
            .replace("dimension: 3", "dimension: 4")
            .replace("sizes: 4", "sizes: 7 4")
            .replace("directions: ", "directions: none ")
            .replace("kinds: ", "kinds: list ");
        let form = read(&frames).form().unwrap();
        assert_eq!((form.sizes, form.space), (vec![7, 4, 5, 6], [1, 2, 3]));
        // Keys of the user are no fields, and several may begin alike.
        let keys = SLICER.replace("kinds:", "dcm:uid:=1\ndcm:date:=2: x\nkinds:");
        assert_eq!(read(&keys).form().unwrap().sizes, [4, 5, 6]);
        // Spacings without a space.
        let plain = "NRRD0001\ntype: unsigned char\ndimension: 3\nsizes: 4 5 6\nspacings: 1 2 3\nsample units: HU\nencoding: raw\n";
        let form = read(plain).form().unwrap();
        assert_eq!((form.directions, form.spacing, form.unit), (None, [1.0, 2.0, 3.0], Some(Unit::Hounsfield)));
    }

    #[test]
    fn lengths_are_in_the_unit_that_is_stated() {
        for (unit, factor) in [("mm", 1.0), ("cm", 10.0), ("m", 1000.0), ("\u{b5}m", 0.001), ("", 1.0)] {
            let units = format!("space units: \"{unit}\" \"{unit}\" \"{unit}\"\nkinds:");
            let form = read(&SLICER.replace("kinds:", &units)).form().unwrap();
            assert_eq!(form.spacing, [0.5, 0.75, 2.0].map(|d| d * factor), "{unit}");
            assert_eq!(form.directions.unwrap()[2], [0.0, 0.0, 2.0 * factor], "{unit}");
            let units = format!("spacings: 1 2 3\nunits: \"s\" \"{unit}\" \"{unit}\"\n\n");
            let plain = format!("NRRD0004\ntype: uchar\ndimension: 3\nsizes: 4 5 6\n{units}");
            assert_eq!(read(&plain).form().unwrap().spacing, [1.0, 2.0 * factor, 3.0 * factor], "{unit}");
        }
    }

    #[test]
    fn what_cannot_be_restored_is_refused() {
        let refused = |from: &str, to: &str| read(&SLICER.replace(from, to)).form().unwrap_err().to_string();
        for (from, to, why) in [
            ("type: short", "type: block", "its type is none"),
            ("type: short", "type: int64", "its type is none"),
            ("dimension: 3", "dimension: 4", "sizes"),
            ("sizes: 4 5 6", "sizes: 4 -5 6", "sizes"),
            ("endian: little", "x: y", "endian"),
            ("(0,0,2)", "(0,0,0)", "space directions"),
            ("(0,0,2)", "none", "2 axes of space"),
            ("kinds:", "sizes: 5 4 6\nkinds:", "a field twice"),
            ("kinds:", "Endian: big\nkinds:", "a field twice"),
        ] {
            assert!(refused(from, to).contains(why), "{to}: {}", refused(from, to));
        }
        let colour = SLICER
            .replace("dimension: 3", "dimension: 4")
            .replace("sizes: 4", "sizes: 3 4")
            .replace("directions: ", "directions: none ")
            .replace("kinds: ", "kinds: RGB-color ");
        assert!(read(&colour).form().unwrap_err().to_string().contains("colours"));
        for (encoding, why) in [
            ("encoding: bzip2\n", "its encoding is bzip2, and raw and gzip can be read"),
            ("encoding: ASCII\n", "its encoding is ascii, and raw and gzip can be read"),
            ("encoding: Doe Jane\n", "its encoding is neither raw nor gzip"),
            ("", "it states no encoding"),
        ] {
            let header = read(&SLICER.replace("encoding: gzip\n", encoding));
            assert_eq!(header.packing().unwrap_err().to_string(), why);
        }
        for (encoding, skip, found) in [
            ("gzip", "byte skip: 9", Some((0, 9))),
            ("raw", "byte skip: -1\nline skip: 2", Some((2, -1))),
            ("gzip", "byte skip: -1", None),
            ("raw", "byte skip: -2", None),
            ("raw", "byte skip: nine", None),
            ("raw", "line skip: -1", None),
            ("raw", "line skip: 1.5", None),
        ] {
            let skips = read(&SLICER.replace("encoding: gzip", &format!("encoding: {encoding}\n{skip}"))).skips();
            assert_eq!(skips.ok(), found, "{encoding}, {skip}");
        }
        for name in ["LIST", "slice%03d.raw 1 9 1", "/etc/passwd", "../x.raw"] {
            let detached = read(&SLICER.replace("encoding", &format!("data file: {name}\nencoding")));
            assert!(detached.data_file(Path::new("d/a.nhdr")).is_err(), "{name}");
        }
        let detached = read(&SLICER.replace("encoding", "DataFile: ./a.raw\nencoding"));
        assert_eq!(detached.data_file(Path::new("d/a.nhdr")).unwrap(), Some(PathBuf::from("d/./a.raw")));
        assert!(Header::read(&mut b"NRRX\n\n".as_slice()).is_err());
        assert!(Header::read(&mut vec![b'a'; 2 << 20].as_slice()).is_err());
    }

    #[test]
    fn results_keep_every_line_that_still_holds() {
        let source = SLICER.replace("encoding", "data file: a.raw\nbyte skip: 9\nkey:=value: 1\nencoding");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let attached = text(read(&source).derived(None, false, None, "model"));
        let expected = SLICER.replace("encoding", "key:=value: 1\nencoding").replace("\n\n", "\nartir:=model\n\n");
        assert_eq!(attached, expected);
        assert!(read(&attached).form().unwrap().restored && !read(SLICER).form().unwrap().restored);
        let detached = text(read(SLICER).derived(Some("b.raw.gz"), true, Some("HU"), "model"));
        assert!(detached.contains("\ntype: float\n") && detached.ends_with("\nartir:=model\ndata file: b.raw.gz\n"));
        assert_eq!(read(&detached).form().unwrap().unit, Some(Unit::Hounsfield));
    }
}

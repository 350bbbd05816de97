//! Writing a data set as Explicit VR Little Endian (PS3.5, A.2).

use std::io::{self, Read, Write};

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use crate::read::dataset::{DataSet, Element, Value, has_long_length};

/// The longest value of a VR whose length has two bytes; such lengths are even.
const SHORT_MAX: usize = 0xfffe;
const UNDEFINED: [u8; 4] = [0xff; 4];

/// Writes elements in the order of their tags.
pub(crate) fn write(out: &mut impl Write, set: &DataSet) -> io::Result<()> {
    write_range(out, set, |_| true)
}

/// Writes the selected elements. The caller writes new pixels between the elements below and above them.
pub(crate) fn write_range(out: &mut impl Write, set: &DataSet, wanted: impl Fn(Tag) -> bool) -> io::Result<()> {
    for (tag, element) in set.iter().filter(|(tag, _)| wanted(*tag)) {
        write_element(out, tag, element)?;
    }
    Ok(())
}

fn write_element(out: &mut impl Write, tag: Tag, element: &Element) -> io::Result<()> {
    match &element.value {
        Value::Bytes(bytes) => {
            let padding = bytes.len() % 2;
            let length = bytes.len() + padding;
            // A value that its VR cannot hold in this encoding becomes UN (PS3.5, 6.2.2, note 2).
            let fits = has_long_length(element.vr) || length <= SHORT_MAX;
            head(out, tag, if fits { element.vr } else { VR::UN }, length)?;
            out.write_all(bytes)?;
            out.write_all(&pad(element.vr)[..padding])
        }
        Value::Items(items) => {
            long_head(out, tag, VR::SQ, UNDEFINED)?;
            for item in items {
                delimiter(out, 0xe000, UNDEFINED)?;
                // A group's length (element 0), which is retired, counts the bytes that it had in the source's encoding.
                write_range(out, item, |tag| tag.element() != 0)?;
                delimiter(out, 0xe00d, [0; 4])?;
            }
            delimiter(out, 0xe0dd, [0; 4])
        }
        Value::Fragments(fragments) => {
            long_head(out, tag, VR::OB, UNDEFINED)?;
            for fragment in fragments {
                fragment_header(out, fragment.len())?;
                out.write_all(fragment)?;
            }
            delimiter(out, 0xe0dd, [0; 4])
        }
        Value::Pixels(_) => Err(io::Error::other("pixels of another file cannot be written")),
    }
}

/// The element header of native pixels of a length.
pub(crate) fn native_header(out: &mut impl Write, bits_allocated: u16, length: usize) -> io::Result<()> {
    head(out, tags::PIXEL_DATA, if bits_allocated > 8 { VR::OW } else { VR::OB }, length)
}

/// Writes encapsulated pixels, each frame of the store one fragment (PS3.5, A.4).
pub(crate) fn write_fragments(out: &mut impl Write, store: &mut dyn Read, lengths: &[u64]) -> io::Result<()> {
    long_head(out, tags::PIXEL_DATA, VR::OB, UNDEFINED)?;
    let mut table = Vec::new();
    let mut offset = 0;
    for length in lengths {
        table.push(u32::try_from(offset).ok());
        offset += length + 8;
    }
    // Frames beyond 4 GiB cannot be in the table, which may then be empty.
    let table: Vec<u8> = match table.into_iter().collect::<Option<Vec<u32>>>() {
        Some(table) => table.into_iter().flat_map(u32::to_le_bytes).collect(),
        None => Vec::new(),
    };
    fragment_header(out, table.len())?;
    out.write_all(&table)?;
    for length in lengths {
        fragment_header(out, *length as usize)?;
        io::copy(&mut (&mut *store).take(*length), out)?;
    }
    delimiter(out, 0xe0dd, [0; 4])
}

/// The item header of a fragment of encapsulated pixels.
fn fragment_header(out: &mut impl Write, length: usize) -> io::Result<()> {
    let length = u32::try_from(length).map_err(|_| io::Error::other("a fragment of over 4 GiB"))?;
    delimiter(out, 0xe000, length.to_le_bytes())
}

fn pad(vr: VR) -> &'static [u8] {
    match vr {
        VR::UI | VR::OB | VR::UN => b"\0",
        _ => b" ",
    }
}

fn head(out: &mut impl Write, tag: Tag, vr: VR, length: usize) -> io::Result<()> {
    if has_long_length(vr) {
        let length = u32::try_from(length).map_err(|_| io::Error::other(format!("{tag}: a value of over 4 GiB")))?;
        return long_head(out, tag, vr, length.to_le_bytes());
    }
    let length = u16::try_from(length).map_err(|_| io::Error::other(format!("{tag}: its value is too long")))?;
    write_tag(out, tag)?;
    out.write_all(&vr.to_bytes())?;
    out.write_all(&length.to_le_bytes())
}

fn long_head(out: &mut impl Write, tag: Tag, vr: VR, length: [u8; 4]) -> io::Result<()> {
    write_tag(out, tag)?;
    out.write_all(&vr.to_bytes())?;
    out.write_all(&[0, 0])?;
    out.write_all(&length)
}

fn delimiter(out: &mut impl Write, element: u16, length: [u8; 4]) -> io::Result<()> {
    write_tag(out, Tag(0xfffe, element))?;
    out.write_all(&length)
}

fn write_tag(out: &mut impl Write, tag: Tag) -> io::Result<()> {
    out.write_all(&tag.group().to_le_bytes())?;
    out.write_all(&tag.element().to_le_bytes())
}

#[cfg(test)]
mod tests;

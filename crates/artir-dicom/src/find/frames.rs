//! The planes of an object's frames.

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use crate::{
    Modality, Reason, Repair,
    read::{
        dataset::{DataSet, words},
        geometry::Plane,
        view::View,
    },
};

/// A header that claims more frames is damaged.
const MOST_FRAMES: u32 = 1 << 20;

/// Planes and spacing of the frames of an object.
pub(super) struct Frames {
    pub(super) planes: Vec<Plane>,
    /// Distance of rows, then of columns, mm.
    pub(super) spacing: [f64; 2],
    /// The index of each frame's stack among those of the object; empty for an object of one stack.
    pub(super) stacks: Vec<usize>,
    /// The StackID of all frames; `None` for an object without, or with several.
    pub(super) stack: Option<String>,
    /// An object of a single-frame class with several frames, as some consoles of cone-beam CT write them.
    pub(super) are_slices: bool,
    pub(super) repairs: Vec<Repair>,
}

impl Frames {
    /// Reads the planes.
    ///
    /// # Errors
    /// The reason why the object is not a slice, or a stack of slices.
    pub(super) fn read(set: &DataSet, class: &str, modality: Modality) -> Result<Self, Reason> {
        let missing = |what: &str| Reason::Incomplete(format!("a {} image without {what}", modality.name()));
        let frames = set.integer(tags::NUMBER_OF_FRAMES).unwrap_or(1);
        let single_frame_class = class == modality.slice_class();
        let groups = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).len();
        let usable = |n: &u32| (1..=MOST_FRAMES).contains(n);
        let count = u32::try_from(frames).ok().filter(usable).ok_or_else(|| missing("a usable NumberOfFrames"))?;
        let fit = usize::try_from(count) == Ok(groups);
        if !single_frame_class && !fit {
            return Err(Reason::Incomplete(format!("{frames} frames, and functional groups for {groups}")));
        }
        let are_slices = single_frame_class && count > 1;
        let mut repairs = Vec::new();
        let offsets = if are_slices && !fit { offsets(set, count, &mut repairs)? } else { Vec::new() };
        if are_slices {
            repairs.push(Repair::FramesInSlice);
        }
        let (mut planes, mut spacing, mut ids) = (Vec::new(), None, Vec::new());
        for frame in 0..count {
            let view = View::new(set, frame);
            let orientation = view
                .group(tags::PLANE_ORIENTATION_SEQUENCE)
                .vector(tags::IMAGE_ORIENTATION_PATIENT)
                .ok_or_else(|| missing("ImageOrientationPatient"))?;
            let position = view
                .group(tags::PLANE_POSITION_SEQUENCE)
                .vector(tags::IMAGE_POSITION_PATIENT)
                .ok_or_else(|| missing("ImagePositionPatient"))?;
            let plane = Plane { position, orientation };
            if !plane.is_axial() {
                return Err(Reason::not_slice("a reformat: not an axial image"));
            }
            planes.push(offsets.get(frame as usize).map_or(plane, |offset| plane.shifted(*offset)));
            spacing = spacing.or(view.group(tags::PIXEL_MEASURES_SEQUENCE).vector(tags::PIXEL_SPACING));
            ids.push(view.group(tags::FRAME_CONTENT_SEQUENCE).text(tags::STACK_ID));
        }
        let (stacks, stack) = stacks(&ids);
        // The parts of a concatenation are one object, whatever stacks their frames are of.
        let stack = stack.filter(|_| !set.contains(tags::CONCATENATION_UID));
        let spacing = spacing.ok_or_else(|| missing("PixelSpacing"))?;
        Ok(Self { planes, spacing, stacks, stack, are_slices, repairs })
    }
}

/// How far the frames lie from the first along the normal, mm, where they have no positions of their own: by a vector
/// of their places, or else evenly spaced. Readers of files without a vector take the direction of the normal, as here.
fn offsets(set: &DataSet, count: u32, repairs: &mut Vec<Repair>) -> Result<Vec<f64>, Reason> {
    let vectors = [tags::GRID_FRAME_OFFSET_VECTOR, tags::SLICE_LOCATION_VECTOR];
    // A vector of one place alone, such as zeros, tells none.
    let tells = |places: &Vec<f64>| places.len() == count as usize && places.iter().any(|place| *place != places[0]);
    let places = vectors.into_iter().filter_map(|tag| set.numbers(tag)).find(tells);
    if let Some(places) = places {
        let first = places.first().copied().unwrap_or(0.0);
        // Places that begin at 0 count along the normal, others along the patient's z axis (PS3.3, C.8.8.3.2).
        let direction = if first == 0.0 { 1.0 } else { upwards(set) };
        return Ok(places.into_iter().map(|place| direction * (place - first)).collect());
    }
    let even = |step: f64| -> Vec<f64> { (0..count).map(|frame| f64::from(frame) * step).collect() };
    let positive = |tag| set.number(tag).filter(|step| *step > 0.0);
    if let Some(step) = positive(tags::SPACING_BETWEEN_SLICES) {
        return Ok(even(step));
    }
    if follow_in_time(set) {
        let reason = "several frames in a class of single slices that follow each other in time by \
                      FrameIncrementPointer (0028,0009), so that their positions are unknown";
        return Err(Reason::Incomplete(reason.into()));
    }
    repairs.push(Repair::FrameSpacing);
    positive(tags::SLICE_THICKNESS).map(even).ok_or_else(|| {
        let reason = "several frames in a class of single slices, without SpacingBetweenSlices (0018,0088) and \
                      SliceThickness (0018,0050), so that their positions are unknown";
        Reason::Incomplete(reason.into())
    })
}

/// 1 for an object whose normal points up the patient's z axis, -1 for one whose normal points down.
fn upwards(set: &DataSet) -> f64 {
    let orientation = View::new(set, 0).group(tags::PLANE_ORIENTATION_SEQUENCE).vector(tags::IMAGE_ORIENTATION_PATIENT);
    orientation.map_or(1.0, |orientation| Plane { position: [0.0; 3], orientation }.normal()[2].signum())
}

/// Whether FrameIncrementPointer says that each frame is later than the one before it. Some writers of volumes point to a time of 0.
fn follow_in_time(set: &DataSet) -> bool {
    let pointer = set.bytes(tags::FRAME_INCREMENT_POINTER).unwrap_or_default();
    let numbers: Vec<u16> = words(pointer).map(u16::from_le_bytes).collect();
    let points_to = |tag: Tag| numbers.chunks_exact(2).any(|pair| tag == Tag(pair[0], pair[1]));
    let passes =
        |tag: Tag| points_to(tag) && set.numbers(tag).is_some_and(|times| times.iter().any(|time| *time > 0.0));
    [tags::FRAME_TIME, tags::FRAME_TIME_VECTOR].into_iter().any(passes)
}

/// The index of each frame's stack, if there are several, else the StackID of all.
fn stacks(ids: &[Option<&str>]) -> (Vec<usize>, Option<String>) {
    let mut known: Vec<Option<&str>> = Vec::new();
    let mut index = Vec::with_capacity(ids.len());
    for id in ids {
        let at = known.iter().position(|k| k == id).unwrap_or_else(|| {
            known.push(*id);
            known.len() - 1
        });
        index.push(at);
    }
    match known.as_slice() {
        [only] => (Vec::new(), only.map(str::to_owned)),
        _ => (index, None),
    }
}

#[cfg(test)]
mod tests {
    use dicom_core::VR;

    use super::*;

    fn console(frames: &str) -> DataSet {
        let mut set = DataSet::default();
        for (tag, vr, text) in [
            (tags::NUMBER_OF_FRAMES, VR::IS, frames),
            (tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0"),
            (tags::IMAGE_POSITION_PATIENT, VR::DS, "1\\2\\-30"),
            (tags::PIXEL_SPACING, VR::DS, "0.3\\0.3"),
            (tags::SLICE_THICKNESS, VR::DS, "0.6"),
        ] {
            set.put_text(tag, vr, text);
        }
        set
    }

    fn read(set: &DataSet) -> Result<Frames, Reason> {
        Frames::read(set, Modality::Ct.slice_class(), Modality::Ct)
    }

    #[test]
    fn frames_of_a_single_frame_class_follow_the_normal() {
        let mut set = console("3");
        let heights = |set: &DataSet| -> Vec<f64> { read(set).unwrap().planes.iter().map(|p| p.position[2]).collect() };
        assert!(heights(&set).iter().zip([-30.0, -29.4, -28.8]).all(|(a, b)| (a - b).abs() < 1e-9));
        assert_eq!(read(&set).unwrap().repairs, [Repair::FrameSpacing, Repair::FramesInSlice]);
        set.put_text(tags::SPACING_BETWEEN_SLICES, VR::DS, "0.25");
        assert_eq!(heights(&set), [-30.0, -29.75, -29.5]);
        assert_eq!(read(&set).unwrap().repairs, [Repair::FramesInSlice]);
        set.remove(tags::SPACING_BETWEEN_SLICES);
        set.remove(tags::SLICE_THICKNESS);
        assert!(read(&set).err().unwrap().to_string().contains("SliceThickness (0018,0050), so that"));
        let one = read(&console("1")).unwrap();
        assert!(!one.are_slices && one.repairs.is_empty());
        for none in ["0", "-2", "2000000000"] {
            assert!(read(&console(none)).is_err(), "{none}");
        }
    }

    #[test]
    fn frames_with_a_vector_of_places_lie_there() {
        let heights = |places: &str, orientation: &str| -> Vec<f64> {
            let mut set = console("3");
            set.put_text(tags::GRID_FRAME_OFFSET_VECTOR, VR::DS, places);
            set.put_text(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, orientation);
            let frames = read(&set).unwrap();
            assert!(!frames.repairs.contains(&Repair::FrameSpacing));
            frames.planes.iter().map(|p| p.position[2]).collect()
        };
        let (up, down) = ("1\\0\\0\\0\\1\\0", "1\\0\\0\\0\\-1\\0");
        assert_eq!(heights("0\\-2.5\\-5", up), [-30.0, -32.5, -35.0]);
        assert_eq!(heights("0\\2.5\\6", down), [-30.0, -32.5, -36.0]);
        // Places on the patient's own axis.
        assert_eq!(heights("-30\\-28\\-25", up), [-30.0, -28.0, -25.0]);
        assert_eq!(heights("-30\\-28\\-25", down), [-30.0, -28.0, -25.0]);
        // A vector of other frames says nothing, and neither does one of zeros.
        for vector in ["0\\1", "0\\0\\0"] {
            let mut set = console("3");
            set.put_text(tags::SLICE_LOCATION_VECTOR, VR::DS, vector);
            assert!(read(&set).unwrap().repairs.contains(&Repair::FrameSpacing), "{vector}");
        }
    }

    #[test]
    fn frames_that_follow_in_time_are_placed_by_spacing_alone() {
        let mut set = console("3");
        let pointer = [0x18, 0, 0x63, 0x10].to_vec();
        set.put_raw_text(tags::FRAME_INCREMENT_POINTER, VR::AT, pointer);
        set.put_text(tags::FRAME_TIME, VR::DS, "0");
        assert!(read(&set).unwrap().repairs.contains(&Repair::FrameSpacing));
        set.put_text(tags::FRAME_TIME, VR::DS, "40");
        assert!(read(&set).err().unwrap().to_string().contains("FrameIncrementPointer (0028,0009)"));
        set.put_text(tags::SPACING_BETWEEN_SLICES, VR::DS, "0.25");
        assert_eq!(read(&set).unwrap().planes[2].position[2], -29.5);
    }

    #[test]
    fn stacks_are_counted_and_one_names_the_object() {
        assert_eq!(stacks(&[Some("1"), Some("1")]), (Vec::new(), Some("1".into())));
        assert_eq!(stacks(&[None, None]), (Vec::new(), None));
        assert_eq!(stacks(&[Some("A"), Some("B"), Some("A")]), (vec![0, 1, 0], None));
    }
}

//! Damaged GeoTIFF, VRT and DICOM files by the thousand: each is restored or refused, within a gibibyte, and nothing of it is
//! left behind. ARTIR_HOSTILE_FILES says how many (3,000 for all that were ever tried; a few hundred by default).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use artir_tests::{artir, models, random::Random};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use ndarray::{Array2, Array3};

/// Files of one process.
const BATCH: usize = 50;
/// A raster whose damaged header claims more pixels than this is planned and not restored: an honest one takes minutes.
const MOST_PIXELS: u64 = 1 << 20;
/// What a run may allocate, in kibibytes: data and heap of artir, and of its decoder.
const MOST_KIB: u64 = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(300);

/// How many files of each of the three kinds.
fn count() -> usize {
    let asked = std::env::var("ARTIR_HOSTILE_FILES").ok().map_or(300, |n| n.parse().unwrap());
    usize::div_ceil(asked, 3)
}

/// A process that has ended.
struct Ended {
    status: ExitStatus,
    said: String,
    printed: String,
}

/// A folder with a place for inputs, for results, and for temporary files.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        for name in ["in", "tmp", "beside"] {
            fs::create_dir(bench.at(name)).unwrap();
        }
        fs::write(bench.at("geo.onnx"), models::rgb_identity()).unwrap();
        fs::write(bench.at("ct.onnx"), models::ct_identity()).unwrap();
        fs::write(bench.at("pet.onnx"), models::multiplies("pet-enhance", "SUV", [0.0, 20.0], 1.0)).unwrap();
        bench
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs artir here with a bounded heap and no core file; a run that takes too long is a failure.
    fn run(&self, arguments: &[String]) -> Ended {
        let (out, err) = (self.at("stdout"), self.at("stderr"));
        let binary = artir().get_program().to_owned();
        let mut child = Command::new("sh")
            .args(["-c", &format!("ulimit -c 0 && ulimit -d {MOST_KIB} && exec \"$0\" \"$@\"")])
            .arg(binary)
            .args(arguments)
            .current_dir(self.0.path())
            .env("TMPDIR", self.at("tmp"))
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                child.kill().unwrap();
                panic!("stalled: {arguments:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        Ended { status, said: text(&err), printed: text(&out) }
    }

    /// Runs artir over inputs; when the batch falls, names the file that makes it fall alone.
    fn survives(&self, before: &[&str], inputs: &[String], after: &[&str]) -> Ended {
        let all = |inputs: &[String]| -> Vec<String> {
            let own = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
            [own(before), inputs.to_vec(), own(after)].concat()
        };
        let ended = self.run(&all(inputs));
        if let Some(why) = fallen(&ended) {
            let alone =
                |input: &String| fallen(&self.run(&all(std::slice::from_ref(input)))).map(|why| (input.clone(), why));
            let culprit = inputs.iter().find_map(alone);
            panic!("{before:?}: {why}; alone: {culprit:?}; kept in {}", self.keep().display());
        }
        ended
    }

    fn keep(&self) -> PathBuf {
        let kept = std::env::temp_dir().join(format!("artir-hostile-{}", std::process::id()));
        drop(Command::new("cp").arg("-r").arg(self.0.path()).arg(&kept).status());
        kept
    }

    /// Every file below the folder, with its length; what the test itself writes is left out.
    fn files(&self) -> BTreeMap<PathBuf, u64> {
        let mut out = BTreeMap::new();
        let mut open = vec![self.0.path().to_owned()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    open.push(entry.path());
                } else if !["stdout", "stderr"].map(|name| self.at(name)).contains(&entry.path()) {
                    out.insert(entry.path(), entry.metadata().unwrap().len());
                }
            }
        }
        out
    }
}

/// Why a run does not count as a refusal.
fn fallen(ended: &Ended) -> Option<String> {
    let lines: Vec<&str> = ended.said.lines().rev().take(3).collect();
    if !matches!(ended.status.code(), Some(0 | 3 | 4)) {
        return Some(format!("{}: {lines:?}", ended.status));
    }
    ended.said.contains("panicked").then(|| format!("a panic: {lines:?}"))
}

/// Bytes changed, a stretch zeroed, doubled or cut out, a word made extreme, or the end lost.
fn damage(file: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = file.to_vec();
    // Half of the damage falls near the start and half near the end, where headers and directories lie.
    let span = 2000.min(out.len());
    let at = if random.below(2) == 0 { random.below(span) } else { out.len() - 1 - random.below(span) };
    let end = (at + 1 + random.below(40)).min(out.len());
    match random.below(8) {
        0 | 1 => out[at] = random.number() as u8,
        2 => out[at..end].fill_with(|| random.number() as u8),
        3 => out[at..end].fill(0xff),
        4 => drop(out.drain(at..end)),
        5 => {
            let copy = out[at..end].to_vec();
            out.splice(at..at, copy);
        }
        6 => {
            let words: [&[u8]; 4] =
                [&[0xff, 0xff, 0xff, 0x7f], &[0, 0, 0, 0x80], &[0, 0, 0, 0], &[0xff, 0xff, 0xff, 0xff]];
            let word = random.of(&words);
            let end = (at + 4).min(out.len());
            out[at..end].copy_from_slice(&word[..end - at]);
        }
        _ => out.truncate(at),
    }
    out
}

/// Scenes of 48 x 40 pixels, one for each way in which they are often stored.
fn scenes(folder: &Path) -> Vec<Vec<u8>> {
    let plain = folder.join("plain.tif");
    let rgb = Array3::from_shape_fn((3, 40, 48), |(c, y, x)| ((y * 3 + x * 5 + c * 40 + x * y % 7) % 240) as u8);
    artir_geo::write_rgb_geotiff(&plain, &rgb, [500_000.0, 10.0, 0.0, 5_400_000.0, 0.0, -10.0], 32632).unwrap();
    let mut out = vec![fs::read(&plain).unwrap()];
    for options in [
        "-co TILED=YES -co BLOCKXSIZE=16 -co BLOCKYSIZE=16 -co COMPRESS=LZW -co PREDICTOR=2",
        "-co BIGTIFF=YES -co INTERLEAVE=BAND",
        "-ot UInt16 -scale 0 255 0 10000 -a_nodata 0 -co COMPRESS=DEFLATE",
        "-ot Float32 -co COMPRESS=DEFLATE -co PREDICTOR=3 -co PHOTOMETRIC=RGB",
        "-co COMPRESS=JPEG -co PHOTOMETRIC=YCBCR -co TILED=YES",
        "-of COG -co BLOCKSIZE=128",
    ] {
        let made = folder.join("made.tif");
        let done = Command::new("gdal_translate").arg("-q").args(options.split(' ')).arg(&plain).arg(&made).status();
        assert!(done.unwrap().success(), "{options}");
        out.push(fs::read(&made).unwrap());
        drop(fs::remove_file(made.with_extension("tif.aux.xml")));
    }
    out
}

/// A virtual raster over `beside/plain.tif`, changed in up to three places. One in four is changed in none, so that enough of
/// them give results.
fn virtual_raster(random: &mut Random) -> Vec<u8> {
    let band = |n: usize| {
        format!(
            "<VRTRasterBand dataType=\"Byte\" band=\"{n}\"><ColorInterp>{}</ColorInterp><SimpleSource><SourceFilename \
             relativeToVRT=\"1\">plain.tif</SourceFilename><SourceBand>{n}</SourceBand><SrcRect xOff=\"0\" yOff=\"0\" \
             xSize=\"48\" ySize=\"40\"/><DstRect xOff=\"0\" yOff=\"0\" xSize=\"48\" ySize=\"40\"/></SimpleSource></VRTRasterBand>",
            ["Red", "Green", "Blue"][n - 1]
        )
    };
    let mut text = format!(
        "<VRTDataset rasterXSize=\"48\" rasterYSize=\"40\"><SRS>EPSG:32632</SRS><GeoTransform>500000,10,0,5400000,0,-10\
         </GeoTransform>{}{}{}</VRTDataset>",
        band(1),
        band(2),
        band(3)
    );
    for _ in 0..random.below(4) {
        // Each part comes up some times in the document: one of them is changed.
        let parts: [&str; 14] = [
            "48",
            "40",
            "\"0\"",
            "\"1\"",
            "10",
            "plain.tif",
            "Byte",
            "Simple",
            "<SourceBand>",
            "EPSG:32632",
            "band=",
            "</",
            ">",
            "relativeToVRT",
        ];
        let others: [&str; 24] = [
            "",
            "0",
            "-1",
            "2147483647",
            "1e999",
            "nan",
            "4294967296",
            "99",
            "300",
            "\"",
            "<",
            "<a>",
            "&lt;",
            "\u{fffd}",
            "..",
            "CInt16",
            "Float64",
            "Complex",
            "Derived",
            "/dev/zero",
            "/proc/self/environ",
            "plain.tif:1",
            "MEM:::DATAPOINTER=1",
            "GTIFF_DIR:1:plain.tif",
        ];
        let (part, other) = (random.of(&parts), random.of(&others));
        let places: Vec<usize> = text.match_indices(part).map(|(at, _)| at).collect();
        if !places.is_empty() {
            let at = places[random.below(places.len())];
            text.replace_range(at..at + part.len(), other);
        }
    }
    if random.below(3) == 0 { damage(text.as_bytes(), random) } else { text.into_bytes() }
}

/// Inspects, plans and restores rasters; the number of results.
fn rasters(bench: &Bench, inputs: &[String]) -> usize {
    let common = ["--model", "geo.onnx", "--memory", "512MiB", "--device", "cpu", "--threads", "1"];
    bench.survives(&["geo", "--inspect"], inputs, &[]);
    let planned = bench.survives(&["geo", "--dry-run", "-o", "out/"], inputs, &common);
    // INPUT -> OUTPUT (ROWSxCOLUMNS, PLAN)
    let small: Vec<String> = (planned.printed.lines())
        .filter_map(|line| {
            let (input, rest) = line.split_once(" -> ")?;
            let (_, extent) = rest.rsplit_once(" (")?;
            let (rows, columns) = extent.split_once(',')?.0.split_once('x')?;
            let pixels = rows.parse::<u64>().ok()?.checked_mul(columns.parse().ok()?)?;
            (pixels <= MOST_PIXELS).then(|| input.to_owned())
        })
        .collect();
    if small.is_empty() {
        return 0;
    }
    fs::create_dir(bench.at("out")).unwrap();
    let with = [&common[..], &["-q", "-o", "out/"]].concat();
    bench.survives(&["geo"], &small, &with);
    let results = fs::read_dir(bench.at("out")).map_or(0, |entries| {
        let names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        // What a GeoTIFF does not hold goes into a file of GDAL's beside it.
        let whole = |name: &&String| name.ends_with(".tif");
        assert!(names.iter().all(|name| name.ends_with(".tif") || name.ends_with(".tif.aux.xml")), "{names:?}");
        names.iter().filter(whole).count()
    });
    fs::remove_dir_all(bench.at("out")).unwrap();
    results
}

/// Runs `count` files through `restore` in batches, each made by `make`; says how many came out.
fn in_batches(
    kind: &str,
    bench: &Bench,
    make: impl Fn(&mut Random, usize) -> Vec<u8>,
    place: impl Fn(usize) -> String,
    restore: impl Fn(&Bench, &[String]) -> usize,
) {
    let count = count();
    let mut restored = 0;
    for first in (0..count).step_by(BATCH) {
        let mut inputs = Vec::new();
        for number in first..(first + BATCH).min(count) {
            // A seed for each file: one that brings artir down can be made again alone.
            let mut random = Random(number as u64 * 7919 + kind.len() as u64);
            let input = place(number);
            fs::write(bench.at(&input), make(&mut random, number)).unwrap();
            inputs.push(input);
        }
        let before = bench.files();
        restored += restore(bench, &inputs);
        let after = bench.files();
        let differs = after.iter().filter(|(path, length)| before.get(*path) != Some(length)).collect::<Vec<_>>();
        assert!(
            differs.is_empty() && before.len() == after.len(),
            "{kind}: left behind, or an input changed: {differs:?}"
        );
        inputs.iter().for_each(|input| fs::remove_file(bench.at(input)).unwrap());
    }
    println!("{kind}: {count} damaged files, {restored} results");
    assert!(restored * 20 >= count, "{kind}: the damage leaves hardly a file whole: {restored}");
}

#[test]
fn damaged_geotiffs_are_restored_or_refused() {
    let bench = Bench::new();
    let seeds = scenes(&bench.at("beside"));
    let make = |random: &mut Random, number: usize| damage(&seeds[number % seeds.len()], random);
    in_batches("GeoTIFF", &bench, make, |number| format!("in/{number:05}.tif"), rasters);
}

#[test]
fn damaged_virtual_rasters_are_restored_or_refused() {
    let bench = Bench::new();
    scenes(&bench.at("beside"));
    let make = |random: &mut Random, _: usize| virtual_raster(random);
    in_batches("VRT", &bench, make, |number| format!("beside/{number:05}.vrt"), rasters);
}

/// CT and PET slices, native and in every encoding that artir writes; each with its SOPInstanceUID.
fn slices(bench: &Bench) -> Vec<(Vec<u8>, String)> {
    let image = |offset: f32| Array2::from_shape_fn((40, 40), |(y, x)| offset + ((x * 7 + y * 13) % 50) as f32);
    let (ct, pet) = (bench.at("beside/ct"), bench.at("beside/pet"));
    artir_phantom::dicom::write_series(&ct, &[image(0.0)], 0.7).unwrap();
    artir_phantom::dicom::write_pet_series(&pet, &[image(1.0).mapv(|v| v / 10.0)], 4.0).unwrap();
    let mut files = vec![ct.join("0001.dcm"), pet.join("0001.dcm")];
    for syntax in ["rle", "jpegls-lossless"] {
        let out = format!("beside/{syntax}");
        let arguments = ["ct", "beside/ct", "-o", &out, "--transfer-syntax", syntax, "--model", "ct.onnx", "-q"];
        let done = bench.run(&arguments.map(str::to_owned));
        assert!(done.status.success(), "{}", done.said);
        let folder = fs::read_dir(bench.at(&out)).unwrap().map(|e| e.unwrap().path()).find(|p| p.is_dir()).unwrap();
        // As if another program had written it: artir's own series are not restored again.
        let file = folder.join("0001.dcm");
        let mut object = dicom_object::open_file(&file).unwrap();
        let gone = [tags::DERIVATION_CODE_SEQUENCE, tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, tags::SOURCE_IMAGE_SEQUENCE];
        for tag in gone {
            object.remove_element(tag);
        }
        let image_type = PrimitiveValue::from("ORIGINAL\\PRIMARY\\AXIAL");
        object.put(DataElement::new(tags::IMAGE_TYPE, VR::CS, image_type));
        object.write_to_file(&file).unwrap();
        files.push(file);
    }
    let seeds = files.iter().map(|path| {
        let object = dicom_object::open_file(path).unwrap();
        let uid = object.meta().media_storage_sop_instance_uid().trim_end_matches('\0').to_owned();
        (fs::read(path).unwrap(), uid)
    });
    seeds.collect()
}

/// Gives each copy a SOPInstanceUID of its own, in place: copies of one slice would be set aside unread.
fn rename(file: &mut [u8], uid: &[u8], number: usize) {
    let digits = format!("{number:05}").into_bytes();
    let starts: Vec<usize> = file.windows(uid.len()).enumerate().filter(|(_, w)| *w == uid).map(|(i, _)| i).collect();
    for end in starts.into_iter().map(|start| start + uid.len()) {
        file[end - digits.len()..end].copy_from_slice(&digits);
    }
}

#[test]
fn damaged_slices_are_restored_or_refused_within_their_memory() {
    let bench = Bench::new();
    let seeds = slices(&bench);
    let make = |random: &mut Random, number: usize| {
        let (mut file, uid) = seeds[number % seeds.len()].clone();
        rename(&mut file, uid.as_bytes(), number);
        damage(&file, random)
    };
    in_batches(
        "DICOM",
        &bench,
        make,
        |number| format!("in/{number:05}.dcm"),
        |bench, _| {
            let mut results = 0;
            for (command, model) in [("ct", "ct.onnx"), ("pet", "pet.onnx")] {
                let own = ["-o", "out", "--model", model, "--allow-partial", "-q", "--device", "cpu", "--threads", "1"];
                let ended = bench.survives(&[command], &["in".to_owned()], &own);
                let crashes = ended.said.matches("crash or stall").count();
                if crashes > 0 {
                    println!("{command}: {crashes} frames brought a codec down");
                }
                if let Ok(series) = fs::read_dir(bench.at("out")) {
                    for entry in series.map(Result::unwrap).filter(|e| e.path().is_dir()) {
                        assert!(!entry.file_name().to_string_lossy().starts_with('.'), "a hidden folder was left");
                        let files = fs::read_dir(entry.path()).unwrap().map(Result::unwrap);
                        results += files.filter(|f| f.file_name() != artir_tests::MANIFEST).count();
                    }
                    fs::remove_dir_all(bench.at("out")).unwrap();
                }
            }
            results
        },
    );
}

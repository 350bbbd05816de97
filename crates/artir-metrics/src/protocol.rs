//! Measurement protocols as published.

use std::borrow::Cow;

/// Which plane or planes are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Every channel; PSNR and RMSE over all values at once, SSIM as the mean over channels.
    Each,
    /// The luma of MATLAB's `rgb2ycbcr` on 8-bit values: `16 + (65.481 R + 128.553 G + 24.966 B) / 255`, rounded
    /// (ITU-R BT.601-7). A single channel is taken as luma already.
    MatlabLuma,
}

/// How the range L of PSNR and SSIM is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PeakRange {
    /// A number that the protocol states.
    Fixed(f64),
    /// Maximum minus minimum of the truncated reference.
    Reference,
}

/// The window that SSIM's local statistics are taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SsimWindow {
    /// 11x11 Gaussian of sigma 1.5, zero padding of 5, mean over the whole image.
    GaussianPadded,
    /// The same window where it fits into the image.
    GaussianValid,
    /// The same on images first reduced by averaging, so that the shorter side has about 256 pixels.
    GaussianReduced,
    /// 7x7 uniform, sample covariance, where it fits into the image (scikit-image's default).
    Uniform7,
}

/// A measurement protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct Protocol {
    name: Cow<'static, str>,
    unit: &'static str,
    words: &'static str,
    /// Rows and columns are first cut, from the middle, to a multiple of this.
    pub(super) multiple: usize,
    pub(super) colour: Colour,
    pub(super) quantised: bool,
    pub(super) truncation: Option<(f64, f64)>,
    pub(super) range: PeakRange,
    pub(super) window: Option<SsimWindow>,
}

/// The unit of figures on CT.
const HU: &str = "HU";
/// The unit of figures on PET.
const SUV: &str = "SUV";
/// The unit of figures on display values.
const ONE: &str = "1";
/// The unit of figures on 8-bit values.
const LEVELS: &str = "1/255";

impl Protocol {
    /// Low-dose CT (RED-CNN's evaluation code; CTformer).
    pub const LDCT_400: Self = Self {
        name: Cow::Borrowed("ldct-400"),
        unit: HU,
        words: "HU truncated to [-160, 240]; PSNR over a range of 400 HU; SSIM with an 11x11 Gaussian window (sigma 1.5), \
                zero padding, mean over the whole slice; RMSE in HU",
        multiple: 1,
        colour: Colour::Each,
        quantised: false,
        truncation: Some((-160.0, 240.0)),
        range: PeakRange::Fixed(400.0),
        window: Some(SsimWindow::GaussianPadded),
    };
    /// Low-dose CT with the reference slice's own range (Restore-RWKV).
    pub const LDCT_SLICE: Self = Self {
        name: Cow::Borrowed("ldct-slice"),
        words: "HU truncated to [-160, 240]; PSNR and SSIM over the range of the truncated reference slice; SSIM with an \
                11x11 Gaussian window (sigma 1.5), zero padding; RMSE in HU",
        range: PeakRange::Reference,
        ..Self::LDCT_400
    };
    /// PET (Restore-RWKV).
    pub const PET_SLICE: Self = Self {
        name: Cow::Borrowed("pet-slice"),
        unit: SUV,
        words: "SUV truncated to [0, 20]; PSNR and SSIM over the range of the truncated reference slice; SSIM with an \
                11x11 Gaussian window (sigma 1.5), zero padding; RMSE in SUV",
        truncation: Some((0.0, 20.0)),
        ..Self::LDCT_SLICE
    };
    /// Colour restoration (PromptIR).
    pub const RGB: Self = Self {
        name: Cow::Borrowed("rgb"),
        unit: ONE,
        words: "display values clipped to [0, 1], not quantised; PSNR over all channels; SSIM with a 7x7 uniform window, \
                sample covariance, mean over channels",
        truncation: Some((0.0, 1.0)),
        range: PeakRange::Fixed(1.0),
        window: Some(SsimWindow::Uniform7),
        ..Self::LDCT_400
    };
    /// Colour denoising, noisy images clipped and quantised (PromptIR, AirNet, AdaIR).
    pub const RGB_NOISE_AIRNET: Self = Self {
        name: Cow::Borrowed("rgb-noise-airnet"),
        words: "centre crop to a multiple of 16; Gaussian noise by one generator seeded 0 for the whole run, clipped and \
                cut to 8 bits; then as rgb",
        multiple: 16,
        ..Self::RGB
    };
    /// Colour denoising, noise neither clipped nor quantised (Restormer).
    pub const RGB_NOISE_RESTORMER: Self = Self {
        name: Cow::Borrowed("rgb-noise-restormer"),
        unit: LEVELS,
        words: "Gaussian noise by a generator seeded 0 for each image, neither clipped nor quantised; result rounded to 8 \
                bits; PSNR over all channels; no SSIM",
        quantised: true,
        truncation: None,
        range: PeakRange::Fixed(255.0),
        window: None,
        ..Self::RGB
    };
    /// Deraining on luma (Restormer).
    pub const Y_DERAIN: Self = Self {
        name: Cow::Borrowed("y-derain"),
        words: "8-bit luma of MATLAB's rgb2ycbcr; PSNR over a range of 255; SSIM with an 11x11 Gaussian window (sigma 1.5) \
                where it fits",
        colour: Colour::MatlabLuma,
        window: Some(SsimWindow::GaussianValid),
        ..Self::RGB_NOISE_RESTORMER
    };
    /// UHD restoration on luma (UHDDIP).
    pub const Y_UHD: Self = Self { name: Cow::Borrowed("y-uhd"), ..Self::Y_DERAIN };
    /// Remote-sensing dehazing at full resolution.
    pub const RS_DEHAZE: Self = Self {
        name: Cow::Borrowed("rs-dehaze"),
        words: "display values clipped to [0, 1]; PSNR over all channels; SSIM with an 11x11 Gaussian window (sigma 1.5) \
                where it fits, mean over channels, full resolution",
        window: Some(SsimWindow::GaussianValid),
        ..Self::RGB
    };
    /// As DehazeFormer's code measures it.
    pub const RS_DEHAZE_DEHAZEFORMER: Self = Self {
        name: Cow::Borrowed("rs-dehaze-dehazeformer"),
        words: "as rs-dehaze, but SSIM on images reduced by averaging so that the shorter side has about 256 pixels",
        window: Some(SsimWindow::GaussianReduced),
        ..Self::RGB
    };

    /// Every protocol.
    pub const ALL: [Self; 10] = [
        Self::LDCT_400,
        Self::LDCT_SLICE,
        Self::PET_SLICE,
        Self::RGB,
        Self::RGB_NOISE_AIRNET,
        Self::RGB_NOISE_RESTORMER,
        Self::Y_DERAIN,
        Self::Y_UHD,
        Self::RS_DEHAZE,
        Self::RS_DEHAZE_DEHAZEFORMER,
    ];

    /// The protocol of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name == name)
    }

    /// The names of all protocols.
    pub fn names() -> Vec<String> {
        Self::ALL.iter().map(|p| p.name.to_string()).collect()
    }

    /// The same with another truncation (HU or SUV), and a name that includes it. A fixed range becomes the
    /// window's width.
    ///
    /// `None` when the window is empty or not finite, or when the protocol measures display values.
    pub fn with_window(self, lo: f64, hi: f64) -> Option<Self> {
        if !(lo.is_finite() && hi.is_finite() && lo < hi && (hi - lo).is_finite() && self.is_physical()) {
            return None;
        }
        let range = match self.range {
            PeakRange::Fixed(_) => PeakRange::Fixed(hi - lo),
            PeakRange::Reference => PeakRange::Reference,
        };
        let name = Cow::Owned(format!("{} window {lo},{hi}", self.name));
        Some(Self { name, truncation: Some((lo, hi)), range, ..self })
    }

    /// The name that figures are printed with.
    pub fn name(&self) -> &Cow<'static, str> {
        &self.name
    }

    /// The unit of the RMSE.
    pub fn unit(&self) -> &'static str {
        self.unit
    }

    /// The protocol in words.
    pub fn words(&self) -> &'static str {
        self.words
    }

    /// Whether images are given as HU or SUV rather than display values of 0 to 1.
    pub fn is_physical(&self) -> bool {
        [HU, SUV].contains(&self.unit)
    }
}

/// A display window in HU by its name: abdomen, lung, bone or brain.
pub fn named_window(name: &str) -> Option<(f64, f64)> {
    Some(match name {
        "abdomen" => (-160.0, 240.0),
        "lung" => (-1350.0, 150.0),
        "bone" => (-500.0, 1300.0),
        "brain" => (0.0, 80.0),
        _ => return None,
    })
}

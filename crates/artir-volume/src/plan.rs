//! What is to be done with a volume, found from its header alone.

use artir_dicom::{Modality, Rescale};

use crate::{Error, Reason, Volume, form::Unit};

/// The quantity of the values, where the user states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quantity {
    /// HU.
    Hounsfield,
    /// SUV by body weight.
    Suv,
    /// PET in any unit, scaled to a body mean of 1.
    Native,
    /// SUV that DICOM headers alone lead to.
    OfPatient,
}

/// Options of a restoration.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Options {
    quantity: Option<Quantity>,
    rescale: Option<Rescale>,
    float: bool,
    include_derived: bool,
    overwrite: bool,
}

impl Options {
    /// The quantity of the values. The default is the one that the header states.
    pub fn quantity(self, quantity: impl Into<Option<Quantity>>) -> Self {
        Self { quantity: quantity.into(), ..self }
    }

    /// A rescale to HU, in place of the header's.
    pub fn rescale(self, rescale: Option<Rescale>) -> Self {
        Self { rescale, ..self }
    }

    /// Write 32-bit floats, whatever the datatype of the source.
    pub fn float(self, float: bool) -> Self {
        Self { float, ..self }
    }

    /// Accept volumes that artir derived.
    pub fn include_derived(self, include_derived: bool) -> Self {
        Self { include_derived, ..self }
    }

    /// Replace an existing result.
    pub fn overwrite(self, overwrite: bool) -> Self {
        Self { overwrite, ..self }
    }
}

/// What is to be done with a volume.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    pub(crate) modality: Modality,
    /// Whether values are scaled to a body mean of 1.
    pub(crate) native: bool,
    pub(crate) slope: f64,
    pub(crate) intercept: f64,
    /// Whether slope and intercept are not the header's.
    pub(crate) rescaled: bool,
    pub(crate) float: bool,
    pub(crate) overwrite: bool,
}

impl Volume {
    /// Finds the unit of the values, and whatever else the header shows.
    ///
    /// # Errors
    /// [`Error::File`] for a volume whose unit is unknown or another, and for one that artir derived.
    pub fn plan(&self, modality: Modality, options: &Options) -> Result<Plan, Error> {
        self.planned(modality, options).map_err(|reason| Error::file(&self.path, reason))
    }

    fn planned(&self, modality: Modality, options: &Options) -> Result<Plan, Reason> {
        if self.form.restored && !options.include_derived {
            return Err(Reason::Restored);
        }
        let stated = self.form.unit;
        let rescale = options.rescale.filter(|_| modality == Modality::Ct);
        match (modality, options.quantity) {
            (Modality::Ct, Some(Quantity::Hounsfield)) => {}
            (Modality::Ct, _) if rescale.is_some() => {}
            (Modality::Ct, _) => match stated {
                Some(Unit::Hounsfield) => {}
                Some(Unit::Suv) => return Err(Reason::OtherUnit("SUV")),
                None => return Err(Reason::UnknownUnit),
            },
            (_, Some(Quantity::OfPatient)) => return Err(Reason::NoPatient),
            (_, Some(Quantity::Suv | Quantity::Native)) => {}
            _ => match stated {
                Some(Unit::Suv) => {}
                Some(Unit::Hounsfield) => return Err(Reason::OtherUnit("HU")),
                None => return Err(Reason::UnknownUnit),
            },
        }
        let (slope, intercept) =
            rescale.map_or((self.form.slope, self.form.intercept), |rescale| (rescale.slope(), rescale.intercept()));
        Ok(Plan {
            modality,
            native: options.quantity == Some(Quantity::Native),
            slope,
            intercept,
            rescaled: rescale.is_some(),
            float: options.float,
            overwrite: options.overwrite,
        })
    }
}

//! The execution provider that runs the network: requested device, chosen provider, and the reason.

pub(crate) mod cuda;
pub(crate) mod placement;
pub(crate) mod tensorrt;

use std::{fmt, str::FromStr};

use crate::{
    Error,
    error::{DeviceError, Missing},
};

/// A device as a user requests it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Device {
    /// An NVIDIA GPU through CUDA if all its requirements are met, else the CPU. Never TensorRT, which builds engines for
    /// minutes.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU through ONNX Runtime's CUDA provider.
    Cuda(u32),
    /// An NVIDIA GPU through TensorRT.
    TensorRt(u32),
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
            Self::TensorRt(n) => write!(f, "tensorrt:{n}"),
        }
    }
}

impl FromStr for Device {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<Self, UnknownDevice> {
        let (name, index) = match text.split_once(':') {
            Some((name, index)) => {
                let index = index.parse().map_err(|_| UnknownDevice::Number(index.to_owned()))?;
                (name, Some(index))
            }
            None => (text, None),
        };
        match (name, index) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("cuda", n) => Ok(Self::Cuda(n.unwrap_or(0))),
            ("tensorrt", n) => Ok(Self::TensorRt(n.unwrap_or(0))),
            _ => Err(UnknownDevice::Name(text.to_owned())),
        }
    }
}

/// A text that names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownDevice {
    /// The part behind the colon is no number.
    #[error("'{0}' is not a device number")]
    Number(String),
    /// No kind of device has this name.
    #[error("'{0}' is not one of auto, cpu, cuda[:N], tensorrt[:N]")]
    Name(String),
}

/// A requirement of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Its name.
    pub name: String,
    /// The part that was found, or the reason why it is missing and what to do.
    pub found: Result<String, Missing>,
}

impl Requirement {
    fn new(name: impl Into<String>, found: Result<String, Missing>) -> Self {
        Self { name: name.into(), found }
    }
}

impl Device {
    /// The requirements of the device, met or missing, each after those it depends on. The CPU needs only ONNX Runtime;
    /// `auto` lists the requirements of the first GPU through CUDA.
    pub fn requirements(self) -> Vec<Requirement> {
        match self {
            Self::Cpu => Vec::new(),
            Self::Auto => cuda::requirements(0),
            Self::Cuda(n) => cuda::requirements(n),
            Self::TensorRt(n) => tensorrt::requirements(n),
        }
    }
}

/// The provider that a session runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provider {
    /// ONNX Runtime's CPU provider, with artir's own CPU operators.
    Cpu,
    /// ONNX Runtime's CUDA provider on this GPU, with artir's CUDA operators.
    Cuda(u32),
    /// TensorRT on this GPU, with CUDA for the nodes that TensorRT does not support.
    TensorRt(u32),
}

impl Provider {
    /// Chooses a provider. If a device requested by name is not available, that is an error, never a silent run on the CPU.
    ///
    /// # Errors
    /// [`Error::Device`] with the first missing requirement.
    pub fn resolve(device: Device) -> Result<Self, Error> {
        Self::resolve_by(device, &Device::requirements)
    }

    fn resolve_by(device: Device, requirements: &dyn Fn(Device) -> Vec<Requirement>) -> Result<Self, Error> {
        let missing = || {
            let mut requirements = requirements(device).into_iter();
            requirements
                .find_map(|Requirement { name, found }| Some(DeviceError::Missing { name, source: found.err()? }))
        };
        let provider = match device {
            Device::Cpu => return Ok(Self::Cpu),
            Device::Auto | Device::Cuda(_) => Self::Cuda(if let Device::Cuda(n) = device { n } else { 0 }),
            Device::TensorRt(n) => Self::TensorRt(n),
        };
        match (missing(), device) {
            (None, Device::Auto) => {
                tracing::info!("device auto: cuda:0, since all its requirements are met");
                Ok(provider)
            }
            (None, _) => Ok(provider),
            (Some(reason), Device::Auto) => {
                tracing::info!("device auto: cpu, since CUDA is not usable: {reason}");
                Ok(Self::Cpu)
            }
            (Some(source), _) => Err(Error::Device { device: device.to_string(), source }),
        }
    }

    /// The name that enters reports and derived UIDs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda(_) => "cuda",
            Self::TensorRt(_) => "tensorrt",
        }
    }

    /// Whether it is a GPU.
    pub(crate) fn is_gpu(self) -> bool {
        self != Self::Cpu
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_read_back_as_they_print() {
        for text in ["auto", "cpu", "cuda:0", "cuda:3", "tensorrt:1"] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
        for text in ["", "gpu", "cpu:1", "cuda:", "cuda:x", "cuda:-1"] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
    }

    fn with(found: [Result<String, Missing>; 2]) -> Vec<Requirement> {
        found.into_iter().zip(["driver", "library"]).map(|(found, name)| Requirement::new(name, found)).collect()
    }

    #[test]
    fn a_gpu_is_chosen_only_when_every_piece_is_there() {
        let all = |_| with([Ok("13.0".into()), Ok("9.19".into())]);
        assert_eq!(Provider::resolve_by(Device::Auto, &all).unwrap(), Provider::Cuda(0));
        assert_eq!(Provider::resolve_by(Device::Cuda(2), &all).unwrap(), Provider::Cuda(2));
        assert_eq!(Provider::resolve_by(Device::TensorRt(1), &all).unwrap(), Provider::TensorRt(1));
        assert_eq!(Provider::resolve_by(Device::Cpu, &all).unwrap(), Provider::Cpu);
    }

    #[test]
    fn what_is_missing_is_the_reason_and_auto_takes_the_cpu() {
        let part = |_| with([Ok("13.0".into()), Err(Missing("not found: install it".into()))]);
        assert_eq!(Provider::resolve_by(Device::Auto, &part).unwrap(), Provider::Cpu);
        for device in [Device::Cuda(0), Device::TensorRt(0)] {
            let error = Provider::resolve_by(device, &part).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Device);
            let said = error.to_string();
            assert!(said.contains(&device.to_string()) && said.contains("library: not found: install it"), "{said}");
        }
    }

    /// Without a GPU, every requirement names the missing part; with one, this prints the found parts.
    #[test]
    fn pieces_of_this_machine_have_names_and_reasons() {
        for device in [Device::Cuda(0), Device::TensorRt(0)] {
            let requirements = device.requirements();
            assert!(requirements.len() > 5);
            for requirement in &requirements {
                assert!(!requirement.name.is_empty());
                match &requirement.found {
                    Ok(found) => assert!(!found.is_empty(), "{}", requirement.name),
                    Err(Missing(reason)) => assert!(reason.contains(':'), "{}: {reason}", requirement.name),
                }
            }
            if let Err(e) = Provider::resolve(device) {
                assert!(
                    requirements.iter().any(|p| p.found.as_ref().is_err_and(|r| e.to_string().contains(&r.0))),
                    "{e}"
                );
            }
        }
        assert!(Device::Cpu.requirements().is_empty());
    }
}

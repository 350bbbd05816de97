//! Which execution provider runs the network: what was asked for, what was got, and why.

use std::{fmt, str::FromStr};

use crate::Error;

/// A device as asked for with `--device`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Device {
    /// The best that is there.
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
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, index) = match text.split_once(':') {
            Some((name, index)) => {
                let index = index.parse().map_err(|_| format!("'{index}' is no device number"))?;
                (name, Some(index))
            }
            None => (text, None),
        };
        match (name, index) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("cuda", n) => Ok(Self::Cuda(n.unwrap_or(0))),
            ("tensorrt", n) => Ok(Self::TensorRt(n.unwrap_or(0))),
            _ => Err(format!("'{text}' is none of auto, cpu, cuda[:N], tensorrt[:N]")),
        }
    }
}

/// The provider that a session runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provider {
    /// ONNX Runtime's CPU provider, with artir's own CPU operators.
    Cpu,
}

impl Provider {
    /// Chooses a provider. A device asked for by name that is not there is an error, never a
    /// silent run on the CPU.
    pub fn resolve(device: Device) -> Result<Self, Error> {
        match device {
            Device::Cpu => Ok(Self::Cpu),
            Device::Auto => {
                tracing::debug!("device auto: cpu (this build of artir has no GPU provider)");
                Ok(Self::Cpu)
            }
            Device::Cuda(_) | Device::TensorRt(_) => Err(Error::Device {
                device: device.to_string(),
                reason: "this version of artir runs on the CPU only; use --device cpu".into(),
            }),
        }
    }

    /// The name that enters reports and derived UIDs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
        }
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

    #[test]
    fn a_gpu_by_name_is_an_error_until_there_is_one() {
        assert!(matches!(Provider::resolve(Device::Cuda(0)), Err(Error::Device { .. })));
        assert_eq!(Provider::resolve(Device::Auto).unwrap(), Provider::Cpu);
    }
}

//! Entry points for fuzzers: whatever comes over a connection before an object reaches the disk.

use std::time::Duration;

use dicom_dictionary_std::uids;

use crate::network::{
    accept::{Accepted, Offer, Role, accept},
    dimse::CommitmentReport,
    wire::Wire,
};

/// A whole association, as far as its bytes keep to the protocol.
pub fn association(bytes: &[u8]) {
    let classes = vec![(uids::CT_IMAGE_STORAGE, Role::User), (uids::STORAGE_COMMITMENT_PUSH_MODEL, Role::Provider)];
    let offer = Offer { classes, syntaxes: &artir_dicom::TRANSFER_SYNTAXES };
    let second = Duration::from_secs(1);
    let (Accepted::Yes(mut association), _) = accept(Wire::of_bytes(bytes.to_vec()), second, |_| Ok(offer)) else {
        return;
    };
    while let Ok(Some((context, command))) = association.command(second) {
        if command.has_data_set() && association.data(context, second, |_| Ok(())).is_err() {
            break;
        }
    }
}

/// The report of a storage commitment.
pub fn report(bytes: &[u8]) {
    drop(CommitmentReport::read(bytes));
}

#[cfg(test)]
mod tests {
    use dicom_ul::pdu::{
        AssociationRQ, PDataValue, PDataValueType, Pdu, PresentationContextProposed, UserVariableItem, write_pdu,
    };

    use super::*;
    use crate::network::dimse::{C_STORE, Command, Reference, commitment_request, element};

    /// Associations and reports that are right, for fuzzers to start from.
    fn seeds() -> Vec<(&'static str, Vec<u8>)> {
        let asked = Pdu::AssociationRQ(AssociationRQ {
            protocol_version: 1,
            calling_ae_title: "SCANNER".into(),
            called_ae_title: "ARTIR".into(),
            application_context_name: "1.2.840.10008.3.1.1.1".into(),
            presentation_contexts: vec![PresentationContextProposed {
                id: 1,
                abstract_syntax: uids::CT_IMAGE_STORAGE.into(),
                transfer_syntaxes: vec![uids::EXPLICIT_VR_LITTLE_ENDIAN.into(), uids::IMPLICIT_VR_LITTLE_ENDIAN.into()],
            }],
            user_variables: vec![UserVariableItem::MaxLength(16_384)],
        });
        let command = Command::new(C_STORE)
            .number(element::MESSAGE_ID, 1)
            .uid(element::AFFECTED_CLASS, uids::CT_IMAGE_STORAGE)
            .uid(element::AFFECTED_INSTANCE, "1.2.3")
            .with_data_set();
        let value = |value_type, is_last, data| PDataValue { presentation_context_id: 1, value_type, is_last, data };
        let store = Pdu::PData {
            data: vec![
                value(PDataValueType::Command, true, command.bytes()),
                value(PDataValueType::Data, false, vec![8, 0, 0x16, 0]),
                value(PDataValueType::Data, true, vec![0; 32]),
            ],
        };
        let mut bytes = Vec::new();
        for pdu in [&asked, &store, &Pdu::ReleaseRQ] {
            write_pdu(&mut bytes, pdu).unwrap();
        }
        let reference = Reference { class: uids::CT_IMAGE_STORAGE.into(), instance: "1.2.3".into() };
        vec![("association", bytes), ("report", commitment_request("2.25.1", &[reference]))]
    }

    /// With `ARTIR_FUZZ_CORPUS=FOLDER`, writes the seeds of the fuzz targets.
    #[test]
    fn seeds_are_taken_whole_and_in_parts() {
        for (name, bytes) in seeds() {
            for cut in 0..bytes.len() {
                let mut bad = bytes.clone();
                bad[cut] ^= 0xff;
                for bytes in [&bytes[..cut], &bad] {
                    association(bytes);
                    report(bytes);
                }
            }
            if let Some(folder) = std::env::var_os("ARTIR_FUZZ_CORPUS") {
                let folder = std::path::Path::new(&folder).join(format!("node_{name}"));
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join("whole"), bytes).unwrap();
            }
        }
    }

    /// Random changes of the seeds, where no fuzzer is at hand. `ARTIR_MUTATIONS` sets how many.
    #[test]
    fn random_changes_of_seeds_are_survived() {
        let count = std::env::var("ARTIR_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000_u64);
        // xorshift64*
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move |below: usize| {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
        };
        let seeds = seeds();
        for _ in 0..count {
            let mut bytes = seeds[random(seeds.len())].1.clone();
            for _ in 0..=random(8) {
                let at = random(bytes.len());
                match random(5) {
                    0 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random(5)],
                    1 => bytes[at] ^= 1 << random(8),
                    2 => bytes.truncate(at.max(1)),
                    3 => {
                        let part = bytes[at..(at + random(40)).min(bytes.len())].to_vec();
                        let to = random(bytes.len());
                        bytes.splice(to..to, part);
                    }
                    _ => drop(bytes.splice(at..(at + random(8)).min(bytes.len()), [])),
                }
                if bytes.is_empty() {
                    break;
                }
            }
            association(&bytes);
            report(&bytes);
        }
    }
}

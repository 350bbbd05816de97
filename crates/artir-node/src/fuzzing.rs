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
    let (Accepted::Yes(mut association), _) = accept(Wire::of_bytes(bytes.to_vec()), second, |_| Ok(offer)) else { return };
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
}

"""artir's DICOM output, checked with readers and validators that are not artir's own."""

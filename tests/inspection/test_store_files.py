import numpy as np
import pytest

from in2_plugin.inspection.report import CheckReport
from in2_plugin.inspection.store_files import (
    check_documents,
    check_screening,
    check_segment_files,
    check_segments,
    check_token_ids,
)
from tests.support import damages
from tests.support.damages import arrow, cut, integers, put, remove, text
from tests.support.findings import assert_finding

DAMAGES = [
    (cut("segments/segments.arrow", 0.7), "segment files", "cannot be read"),
    (remove("segments/ids.bin"), "segment files", "ids.bin is missing"),
    (damages.arrow_offset, "segment files", "is damaged"),
    (arrow("segments", "text", put(7, None)), "segment files", "contain nulls"),
    (text("segments/store.json", '"id_type"', '"di_type"'), "segment files", "unexpected keyword argument 'di_type'"),
    (text("segments/store.json", '"segments": 1', '"segments": 2'), "segments", "but store.json gives"),
    (arrow("segments", "text", put(7, "")), "segments", "row 7 length of the text differs"),
    (arrow("segments", "start", put(7, 99_999)), "segments", "row 7 length of the text differs"),
    (arrow("segments", "standing", put(7, 9)), "segments", "row 7 unknown standing"),
    (cut("segments/ids.bin", 0.9), "token ids", "does not match the size of ids.bin"),
    (cut("segments/offsets.bin", 0.5), "token ids", "does not match the size of ids.bin"),
    (
        lambda folder: (folder / "segments/offsets.bin").open("ab").write(b"abc"),
        "token ids",
        "does not match the size of ids.bin",
    ),
    (integers("offsets.bin", put(5, 1)), "token ids", "number of ids differs from the segment table"),
    (text("segments/store.json", '"tokens": 3', '"tokens": 4'), "token ids", "tokens instead of 3"),
    (text("segments/store.json", '"documents": 4', '"documents": 5'), "documents", "but store.json gives"),
    (arrow("documents", "first_segment", put(5, 0)), "documents", "row 5 does not begin where"),
    (arrow("documents", "n_segments", put(5, 2**32 - 1)), "documents", "does not match the document numbers"),
    (arrow("segments", "document", put(0, 1)), "segments", "document.bin, row 0 differs from segments.arrow"),
    (integers("document.bin", put(0, 1), np.uint32), "documents", "does not match the document numbers"),
    (integers("n_tokens.bin", put(5, 1), np.uint32), "segments", "n_tokens.bin, row 5 differs from segments.arrow"),
    (cut("segments/standing.bin", 0.5), "segments", "is missing or damaged"),
    (cut("segments/exclusions.parquet", 0.5), "screening", "cannot be read"),
]


@pytest.mark.parametrize(("damage", "check", "message"), DAMAGES)
def test_damage_is_found(unrendered, damage, check, message):
    damage(unrendered)
    assert_finding(unrendered, check, message)


def test_a_valid_store_has_no_findings(sound):
    for check in (check_segment_files, check_segments, check_screening, check_token_ids, check_documents):
        report = CheckReport("store")
        check(sound, report)
        assert report.findings == []

"""The one format of files with a checksum: nothing that was damaged is believed."""

import hashlib
import json
import os

import pytest

from jaxtweaks.base import sealed


def test_bytes_come_back_in_one_piece_and_a_flipped_bit_or_a_cut_is_an_error(tmp_path):
    path = tmp_path / 'deep' / 'a'
    sealed.write(path, b'one ', memoryview(b'two'))
    assert bytes(sealed.read(path)) == b'one two'
    whole = path.read_bytes()
    # The format is on users' disks.
    assert whole == b'jaxtweaks1\n' + hashlib.sha256(b'one two').digest() + b'one two'
    damaged = [whole[:place] for place in range(len(whole))]
    for place in range(len(whole)):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << (place % 7)
        damaged.append(flipped)
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r'checksum is wrong|does not begin'):
            sealed.read(path)


def test_a_path_that_is_not_utf_8_comes_back_from_json_that_is(tmp_path):
    path = tmp_path / 'a.json'
    named = {'workdir': os.fsdecode(b'runs/\xff/\xc3\xa4')}
    sealed.write_json(path, named)
    assert '"runs/\\udcff/ä"' in path.read_bytes().decode()
    assert sealed.parse_json(path.read_bytes(), required=True) == named
    assert os.fsencode(named['workdir']) == b'runs/\xff/\xc3\xa4'


def test_json_is_believed_with_its_checksum_and_without_only_if_that_may_be(tmp_path):
    path = tmp_path / 'a.json'
    sealed.write_json(path, {'ü': (1, None), 'b': 1e-30})
    assert sealed.parse_json(path.read_bytes(), required=True) == {'ü': [1, None], 'b': 1e-30}
    content = json.loads(path.read_text())
    with pytest.raises(ValueError, match='changed by hand'):
        sealed.parse_json(json.dumps(content | {'b': 2}).encode())
    del content[sealed.CHECKSUM]
    old = json.dumps(content).encode()
    assert sealed.parse_json(old) == content
    with pytest.raises(ValueError, match='is missing'):
        sealed.parse_json(old, required=True)
    with pytest.raises(ValueError, match='not JSON compliant'):
        sealed.write_json(path, {'b': float('nan')})

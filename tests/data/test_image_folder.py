"""Image folders: everything in them is read, refused by name, or said to be omitted."""

import dataclasses
import os
import struct
import unicodedata
import zlib

import numpy as np
import pytest
from PIL import Image

from jaxtweaks import data
from jaxtweaks.base.errors import UserError
from jaxtweaks.config import settings
from jaxtweaks.data import cache, image_file
from jaxtweaks.data.image_folder import from_folder
from jaxtweaks.lab.record import _describe


def noise(seed, shape=(4, 5, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def save(path, pixels=None, seed=0, **options):
    """An image at `path`, whatever its ending; of a folder that is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else None
    image = image or Image.fromarray(noise(seed) if pixels is None else pixels)
    with path.open('wb') as file:
        image.save(file, options.pop('format', 'PNG'), **options)


def fill(folder, *classes, count=5, ending='.png', start=0):
    """Images of classes, all different."""
    for number, name in enumerate(classes):
        for i in range(count):
            save(folder / name / f'{i}{ending}', seed=hash_of(folder.name, start + number, i))


def hash_of(*parts):
    return zlib.crc32(repr(parts).encode())


@pytest.fixture
def pets(tmp_path):
    """Two classes of five images."""
    fill(tmp_path / 'pets', 'cat', 'dog')
    return tmp_path / 'pets'


def read(folder, **options):
    """The source, and what was said besides that images are decoded."""
    reported = []
    source = from_folder(folder, notify=reported.append, **options)
    notices = [text.removeprefix('notice: ') for text in reported if 'decoding' not in text]
    assert tuple(notices) == source.notices
    return source, notices


def counts(source):
    """Images of each class, over all parts."""
    parts = [part for part in (source.training, source.validation, source.test) if part]
    labels = np.concatenate([part.labels for part in parts])
    return dict(zip(source.classes, np.bincount(labels).tolist(), strict=True))


def test_a_class_is_the_first_folder_and_deeper_ones_group_its_images(pets):
    fill(pets / 'dog' / '2023', 'winter', count=3)
    fill(pets / 'bird', 'a', count=4)
    source, notices = read(pets)
    assert counts(source) == {'bird': 4, 'cat': 5, 'dog': 8}
    assert notices == [
        '7 images lie in deeper folders; the class is the first folder below the root, such as '
        'bird/a/0.png'
    ]


@pytest.mark.parametrize(
    ('ending', 'format'),
    [
        ('.jfif', 'JPEG'),
        ('.JPG', 'JPEG'),
        ('.webp', 'WEBP'),
        ('.tif', 'TIFF'),
        ('.jp2', 'JPEG2000'),
        ('.tga', 'TGA'),
        ('', 'PNG'),
        ('.2023-01-05', 'JPEG'),
        ('.png', 'BMP'),
    ],
)
def test_what_pillow_reads_is_an_image_whatever_its_ending(pets, ending, format):
    for i in range(3):
        save(pets / 'bird' / f'{i}{ending}', seed=900 + i, format=format)
    source, notices = read(pets)
    assert (counts(source), notices) == ({'bird': 3, 'cat': 5, 'dog': 5}, [])


def test_what_is_omitted_is_counted_with_an_example(pets):
    (pets / 'bird').mkdir()
    (pets / 'notes.txt').write_text('x')
    (pets / 'cat' / 'labels.csv').write_text('1,2')
    (pets / 'cat' / 'drawn.eps').write_bytes(b'%!PS-Adobe-3.0 EPSF-3.0\n')  # nothing draws it
    (pets / 'dog' / 'line\nbreak').write_text('x')
    save(pets / '.ipynb_checkpoints' / '1.png')
    (pets / 'dog' / 'gone.png').symlink_to('/nowhere/gone.png')
    (pets / 'dog' / 'round').symlink_to(pets / 'dog')
    (pets / 'dog' / 'self.png').symlink_to('self.png')
    os.mkfifo(pets / 'dog' / 'pipe.png')
    for litter in ('.DS_Store', 'Thumbs.db', '._1.png', 'desktop.ini'):
        (pets / 'cat' / litter).write_bytes(b'x')
    source, notices = read(pets)
    assert counts(source) == {'cat': 5, 'dog': 5}
    assert notices == [
        '1 file in no folder of a class is omitted, such as notes.txt',
        '3 files that Pillow reads no image in are omitted, such as cat/drawn.eps',
        '1 hidden file or folder is omitted, such as .ipynb_checkpoints',
        '3 links lead nowhere or back and are omitted, such as dog/gone.png',
        '1 file that is neither file nor folder is omitted, such as dog/pipe.png',
        '1 folder has no images and is no class, such as bird',
    ]


def test_what_was_said_is_said_again_and_recorded(pets):
    (pets / 'bird').mkdir()
    reported = []
    config = settings.Data(name=f'folder:{pets}', train_size=6, validation_size=2)
    dataset = [data.load(config, reported.append) for _ in range(2)][1]
    said = '1 folder has no images and is no class, such as bird'
    assert reported[1:] == [f'notice: {said}', f'notice: {said}']  # the second time from the cache
    assert _describe(dataset).notices == (said,)


@pytest.mark.parametrize('name', ['val', 'Valid', 'VALIDATION'])
@pytest.mark.parametrize('test', ['test', 'Testing', None])
def test_parts_are_used_as_what_they_are(tmp_path, name, test):
    fill(tmp_path / 'Train', 'cat', 'dog', count=5)
    fill(tmp_path / name, 'cat', 'dog', count=2)
    if test:
        fill(tmp_path / test, 'cat', 'dog', count=3)
    source, notices = read(tmp_path)
    sizes = [len(part) for part in (source.training, source.validation, source.test)]
    assert sizes == ([10, 4, 6] if test else [8, 4, 2])
    assert notices == []
    # Images stay in the part, and of the class, whose folder they are in.
    stored = np.asarray(Image.open(tmp_path / name / 'dog' / '1.png'))
    np.testing.assert_array_equal(source.validation.images[3], stored)
    assert source.validation.labels.tolist() == [0, 0, 1, 1]
    config = settings.Data(name=f'folder:{tmp_path}', train_size=8, validation_size=4)
    found = data.load(config, lambda text: None)
    assert sorted(found.validation.images.sum((1, 2, 3))) == sorted(
        source.validation.images.sum((1, 2, 3), dtype=found.validation.images.sum().dtype)
    )


def test_training_images_alone_are_a_part_too(tmp_path):
    fill(tmp_path / 'train', 'cat', 'dog')
    source, _ = read(tmp_path)
    assert (source.classes, len(source.test)) == (('cat', 'dog'), 2)


@pytest.mark.parametrize('name', ['test', 'Train', 'val'])
def test_a_class_may_be_called_as_a_part_which_is_said(tmp_path, name):
    fill(tmp_path, 'control', name)
    source, notices = read(tmp_path)
    assert set(source.classes) == {'control', name}
    assert notices == [
        f'{name}/ is taken for a class, not for a part: there is no train/ with classes in it'
    ]


def test_what_lies_next_to_the_parts_is_said(tmp_path):
    fill(tmp_path / 'train', 'cat', 'dog', 'elk')
    fill(tmp_path / 'test', 'cat', 'dog')
    fill(tmp_path, 'unlabelled')
    source, notices = read(tmp_path)
    assert len(source.training) + len(source.test) == 25
    assert notices == ['5 files next to train/, test/ are omitted, such as unlabelled/0.png']
    config = settings.Data(name=f'folder:{tmp_path}', train_size=9, validation_size=6)
    found = data.load(config, lambda text: None)
    assert found.notices == (*notices, "class 'elk' has no test images")


@pytest.mark.parametrize(
    ('folders', 'words'),
    [
        (['train/cat', 'train/dog', 'test/unknown'], r"no training images of 'unknown' \(2"),
        (['train/cat', 'train/dog', 'test/Cat'], r"'Cat' \(2 images here; did you mean 'cat'\?\)"),
        (['train/cat', 'train/dog', 'val/dgo'], "val: no training .* did you mean 'dog'"),
        (['cat', 'Cat', 'dog'], "'Cat' and 'cat' differ in case"),
        (['cat', 'cat ', 'dog'], "'cat' and 'cat ' differ in case or spaces"),
        (['train/cat', 'train/dog', 'test'], 'test: holds no images in a folder .*a fifth'),
        (['train', 'test', 'plane'], r'train: holds no .*\(2 images dir.* is a class, no part'),
        (['test/cat', 'test/dog'], 'has test/, but no train/'),
        (['train/cat', 'train/dog', 'plane/a'], 'train/ holds folders of images.* plane/'),
        (['cat', 'dog', 'test/cat', 'test/dog'], 'test/ holds folders of images.* cat/ next to'),
        (['train/cat', 'train/dog', 'val/cat', 'valid/cat'], 'val/ and valid/ are both'),
        (['training_set/cat', 'test_set/cat'], 'test_set/ and training_set/ seem to be parts'),
        (['cat/train', 'cat/test', 'dog/train', 'dog/test'], 'cat/train/ seems .* train/cat/'),
        (['pets/cat', 'pets/dog'], r'1 folder with images, pets/.*are cat, dog, give .*/pets\)'),
    ],
)
def test_folders_that_may_mean_something_else_are_refused(tmp_path, folders, words):
    for folder in folders:
        fill(tmp_path / folder, '.', count=2)
    with pytest.raises(UserError, match=words) as caught:
        from_folder(tmp_path, notify=lambda text: None)
    assert '\n' not in str(caught.value)


def test_one_name_that_unicode_writes_in_two_ways_is_one_class(tmp_path):
    one, other = (unicodedata.normalize(form, 'café') for form in ('NFC', 'NFD'))
    fill(tmp_path / 'train', one, 'thé')
    fill(tmp_path / 'test', other, 'thé', count=2)
    source, notices = read(tmp_path)
    assert (source.classes, counts(source), notices) == (
        (one, 'thé'),
        {one: 7, 'thé': 7},
        [],
    )
    fill(tmp_path / 'train', other, start=7)
    source, notices = read(tmp_path)
    assert (source.classes, counts(source)[one]) == ((one, 'thé'), 12)
    assert notices == [f"2 folders are the one class '{one}', which Unicode writes in several ways"]


def test_numbers_are_in_the_order_of_the_alphabet_which_is_said(tmp_path):
    fill(tmp_path, '1', '2', '10')
    source, notices = read(tmp_path)
    assert source.classes == ('1', '10', '2')
    assert notices == ['the classes are in the order of the alphabet, not of numbers: 1, 10, 2']


def transparent(mode):
    """Black where opaque, and transparent in the first column."""
    alpha = np.full((4, 5), 255, np.uint8)
    alpha[:, 0] = 0
    if mode in ('RGBA', 'LA'):
        channels = [np.zeros((4, 5), np.uint8)] * (len(mode) - 1)
        return Image.fromarray(np.stack([*channels, alpha], -1), mode), {}
    pixels = Image.fromarray(np.where(alpha, 0, 7).astype(np.uint8))
    if mode == 'P':
        pixels = pixels.convert('P')
        pixels.putpalette([0, 0, 0] * 256)
        return pixels, {'transparency': 7}
    return pixels.convert(mode), {'transparency': 7 if mode == 'L' else (7, 7, 7)}


@pytest.mark.parametrize('mode', ['RGBA', 'LA', 'P', 'RGB', 'L'])
def test_transparent_pixels_are_white_and_said(pets, mode):
    image, options = transparent(mode)
    save(pets / 'cat' / '0.png', image, **options)
    source, notices = read(pets)
    white = np.zeros((4, 5, 3), np.uint8)
    white[:, 0] = 255
    both = np.concatenate([source.training.images, source.test.images])
    assert sum((one == white).all() for one in both) == 1
    assert notices == [
        '1 image has transparent pixels, which are shown on white, such as cat/0.png'
    ]


def test_an_alpha_channel_that_hides_nothing_is_passed_over(pets):
    pixels = noise(1, (4, 5, 4))
    pixels[..., 3] = 255
    save(pets / 'cat' / '0.png', pixels)
    source, notices = read(pets)
    both = np.concatenate([source.training.images, source.test.images])
    assert any((one == pixels[..., :3]).all() for one in both)
    assert notices == []


def png_of_16_bits(pixels):
    """A PNG of RGB, uint16 [height, width, 3]."""

    def chunk(name, body):
        return (
            struct.pack('>I', len(body)) + name + body + struct.pack('>I', zlib.crc32(name + body))
        )

    height, width, _ = pixels.shape
    rows = b''.join(b'\0' + row.astype('>u2').tobytes() for row in pixels)
    head = struct.pack('>IIBBBBB', width, height, 16, 2, 0, 0, 0)
    parts = (b'IHDR', head), (b'IDAT', zlib.compress(rows)), (b'IEND', b'')
    return b'\x89PNG\r\n\x1a\n' + b''.join(chunk(*part) for part in parts)


def test_what_was_done_to_images_is_said(pets):
    turned = Image.Exif()
    turned[0x0112] = 6  # by a quarter
    sideways = noise(77, (5, 4, 3))
    save(pets / 'cat' / '0.png', sideways, exif=turned)
    frames = [Image.fromarray(noise(i)) for i in (50, 51)]
    save(pets / 'cat' / '1.gif', frames[0], format='GIF', save_all=True, append_images=frames[1:])
    deep = np.random.default_rng(2).integers(0, 65536, (4, 5, 3))
    (pets / 'cat' / '2.png').write_bytes(png_of_16_bits(deep))
    source, notices = read(pets)
    both = np.concatenate([source.training.images, source.test.images])
    for pixels in (np.rot90(sideways, -1), (deep >> 8).astype(np.uint8)):
        assert sum((one == pixels).all() for one in both) == 1
    assert notices == [
        '1 image is turned upright, as the EXIF orientation says, such as cat/0.png',
        '1 image has several frames or pages, of which the first is used, such as cat/1.gif',
        '1 image has 16 bits a channel, of which the upper 8 are used, such as cat/2.png',
    ]


def test_16_bits_a_pixel_are_not_16_a_channel(pets):
    """5 bits of red, 6 of green, 5 of blue, in a BMP of 4 by 5: rows of 10 bytes and 2 more."""
    pixels = np.array([0xF800, 0x07E0, 0x001F, 0xFFFF, 0] * 4, '<u2').reshape(4, 5)
    rows = b''.join(row.tobytes() + bytes(2) for row in pixels[::-1])
    header = struct.pack('<IiiHHIIiiII', 40, 5, 4, 1, 16, 3, len(rows), 0, 0, 0, 0)
    masks = struct.pack('<III', 0xF800, 0x07E0, 0x001F)
    start = 14 + len(header) + len(masks)
    start_of_file = struct.pack('<2sIHHI', b'BM', start + len(rows), 0, 0, start)
    (pets / 'cat' / 'x.bmp').write_bytes(start_of_file + header + masks + rows)
    source, notices = read(pets)
    both = np.concatenate([source.training.images, source.test.images])
    shown = 255 * np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]])
    assert sum((one == shown).all() for one in both) == 1
    assert notices == []


@pytest.mark.parametrize('mode', ['CMYK', '1', 'L', 'P', 'YCbCr'])
def test_other_colours_become_what_pillow_shows(pets, mode):
    image = Image.fromarray(noise(5)).convert(mode)
    save(pets / 'cat' / 'x.tif', image, format='TIFF')
    source, notices = read(pets)
    both = np.concatenate([source.training.images, source.test.images])
    shown = np.asarray(image.convert('RGB'))
    assert sum((one == shown).all() for one in both) == 1
    assert notices == []


def test_all_unreadable_images_are_counted(pets):
    whole = (pets / 'cat' / '1.png').read_bytes()
    (pets / 'cat' / '1.png').write_bytes(whole[: len(whole) // 2])
    (pets / 'dog' / '2.png').write_bytes(b'')
    (pets / 'dog' / '3.jpeg').write_bytes(b'<html>not found</html>')
    with pytest.raises(UserError, match=r'cat/1\.png: cannot be decoded .*\(and 2 more of 11\)'):
        from_folder(pets, notify=lambda text: None)
    (pets / 'cat' / '1.png').write_bytes(whole)
    with pytest.raises(UserError, match=r'dog/2\.png: cannot be decoded \(it is empty\) \(and 1'):
        from_folder(pets, notify=lambda text: None)


def test_copies_of_images_are_said(tmp_path):
    fill(tmp_path / 'train', 'cat', 'dog')
    fill(tmp_path / 'test', 'cat', 'dog')
    (tmp_path / 'test' / 'dog' / '3.png').write_bytes(
        (tmp_path / 'train' / 'cat' / '1.png').read_bytes()
    )
    assert read(tmp_path)[1] == [
        '1 of 20 images are pixel for pixel copies of others (1 of another class, 1 in another '
        'part), such as test/dog/3.png of train/cat/1.png'
    ]


@pytest.mark.parametrize('size', [32, (32,), (0, 5), ('a', 'b'), (4.5, 3), (float('inf'), 3)])
def test_a_size_is_height_and_width(pets, size):
    with pytest.raises(UserError, match='it must be height and width'):
        from_folder(pets, size, notify=lambda text: None)


def test_what_is_no_folder_is_named(tmp_path):
    (tmp_path / 'pets.zip').write_bytes(b'')
    with pytest.raises(UserError, match=r'pets\.zip: is a file; it must be a folder'):
        from_folder(tmp_path / 'pets.zip')
    with pytest.raises(UserError, match=r'xxx: cannot be read \(File name too long'):
        from_folder(tmp_path / ('x' * 300))
    with pytest.raises(UserError, match='path is None; it must be the name'):
        from_folder(None)


def labels_of(source):
    """The class of each image, by its first pixel."""
    return {
        int(image.flat[0]): source.classes[label]
        for part in (source.training, source.test)
        for image, label in zip(part.images, part.labels, strict=True)
    }


@pytest.fixture(params=['content', 'times'])
def known_by(request, monkeypatch):
    """Files are known by their content if there is little of it, otherwise by time and place."""
    if request.param == 'times':
        monkeypatch.setattr(cache, '_SMALL', -1)


def swap(folder):
    one, other = folder / 'cat' / '3.bmp', folder / 'dog' / '3.bmp'
    one.rename(folder / 'x')
    other.rename(one)
    (folder / 'x').rename(other)


def level(path, value):
    """An image of one grey at a time long ago."""
    save(path, np.full((4, 5), value, np.uint8), format='BMP')
    os.utime(path, (1.5e9, 1.5e9))


def edit(folder):
    level(folder / 'cat' / '3.bmp', 99)


def rename(folder):
    (folder / 'cat' / '3.bmp').rename(folder / 'dog' / '9.bmp')


@pytest.mark.parametrize(
    ('change', 'found'),
    [(swap, {43: 'dog', 203: 'cat'}), (edit, {99: 'cat'}), (rename, {43: 'dog', 203: 'dog'})],
)
def test_the_cache_notices_what_keeps_sizes_and_times(tmp_path, known_by, change, found):
    for name, first in (('cat', 40), ('dog', 200)):
        for i in range(5):
            level(tmp_path / name / f'{i}.bmp', first + i)
    before = labels_of(read(tmp_path)[0])
    assert (before[43], before[203]) == ('cat', 'dog')
    change(tmp_path)
    after = labels_of(read(tmp_path)[0])
    assert {grey: after[grey] for grey in found} == found
    assert labels_of(read(tmp_path)[0]) == after


CHANGES = {
    'an edit': lambda folder: level(folder / 'cat' / '0.bmp', 99),
    'a new file': lambda folder: level(folder / 'cat' / '9.bmp', 99),
    'a file less': lambda folder: (folder / 'cat' / '0.bmp').unlink(),
}


@pytest.mark.parametrize('change', CHANGES)
def test_what_changes_while_it_is_decoded_is_not_kept(tmp_path, known_by, monkeypatch, change):
    for name, first in (('cat', 40), ('dog', 200)):
        for i in range(5):
            level(tmp_path / name / f'{i}.bmp', first + i)
    decode, reported = image_file.decode, []

    def late(path, size):
        if path == tmp_path / 'cat' / '3.bmp':
            CHANGES[change](tmp_path)
        return decode(path, size)

    monkeypatch.setattr(image_file, 'decode', late)
    from_folder(tmp_path, notify=reported.append)
    assert 'changed while they were decoded' in reported[-1]
    assert not cache.folder().exists()


def test_the_cache_notices_other_versions_options_and_code(pets, known_by, monkeypatch):
    reported = []
    decode = lambda **options: from_folder(pets, notify=reported.append, **options)
    decode()
    decode()
    assert len(reported) == 1
    monkeypatch.setattr(image_file, 'versions', lambda: ['another Pillow'])
    decode()
    assert len(reported) == 2
    digest = cache._digest
    other = lambda path: digest(path) + str(path.name == 'image_file.py')
    monkeypatch.setattr(cache, '_digest', other)
    decode()
    assert len(reported) == 3
    assert decode(size=(2, 2)).training.images.shape[1:] == (2, 2, 3)
    (pets / 'bird').mkdir()  # an empty class, a link and so on change what is said
    assert len(decode().notices) == 1


def test_the_cache_may_lie_in_the_folder(pets, monkeypatch):
    monkeypatch.setenv('JAXTWEAKS_CACHE_DIR', str(pets / 'cache'))
    reported = []
    sources = [from_folder(pets, notify=reported.append) for _ in range(2)]
    assert len(reported) == 1
    assert dataclasses.replace(sources[0]).notices == sources[1].notices == ()

"""The pages in a browser: no complaint in the console, clicks do what they say, all can be read."""

import contextlib
import json
import pathlib
import time

import numpy as np
import pytest
from browser import Browser, find
from fake_results import batch_sizes
from fake_verdicts import compared, verdict
from matplotlib.colors import to_hex, to_rgb

from jaxtweaks.base import atomic
from jaxtweaks.figures import figures
from jaxtweaks.figures.figure_style import FURTHER, INK, MUTED, OKABE_ITO, WARNING, styles
from jaxtweaks.figures.figures import Figure
from jaxtweaks.report import overview, report, tables
from jaxtweaks.report.contents import Contents, Drawn
from jaxtweaks.report.verdict_words import ICONS

TABLES = 'section[aria-labelledby=tables]'
PAGE = 'rgb(31, 31, 31)'
SCHEMES = [(1200, False), (1200, True), (390, False), (390, True)]

# The elements that show text of their own, with the contrast of the text to what lies behind it.
CONTRASTS = """
(() => {
  const luminance = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const numbers = color => color.match(/[\\d.]+/g).map(Number);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const color = numbers(getComputedStyle(node).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const node of document.body.querySelectorAll('*')) {
    const own = [...node.childNodes].some(part => part.nodeType === 3 && part.data.trim());
    if (!own || !node.checkVisibility() || node.closest('script, noscript, option')) continue;
    const style = getComputedStyle(node);
    const color = node.namespaceURI.endsWith('svg') ? style.fill : style.color;
    const pair = [luminance(numbers(color)), luminance(behind(node))].sort((a, b) => b - a);
    found.push([(pair[0] + 0.05) / (pair[1] + 0.05), node.tagName, node.textContent.slice(0, 40)]);
  }
  return found;
})()
"""


@pytest.fixture(scope='module')
def chromium():
    executable = find()
    if executable is None:
        pytest.skip(
            'no Chromium: install one (Debian: apt-get install chromium), or name one in CHROMIUM'
        )
    with Browser(executable) as browser:
        yield browser


@pytest.fixture
def browser(chromium):
    """The browser with a wide, light window; a complaint of the page fails the test."""
    chromium.complaints.clear()
    chromium.screen(1200, 900)
    yield chromium
    assert chromium.complaints == []


@pytest.fixture(scope='module')
def report_page(tmp_path_factory):
    results = batch_sizes(seeds=3, diverged=[(1, 2, 3)])
    figure = Figure(
        name='accuracy', kind='effect', title='Test accuracy', metrics=('test_accuracy',),
        x='train.batch_size', hue='model.norm', log_x=True,
    )  # fmt: skip
    picture = figures.svg(figures.draw(figure, results))
    verdicts = [verdict(kind) for kind in ICONS]
    meta = {
        'title': 'batch sizes',
        'question': 'Does it help?',
        'command': 'python main.py ' * 9,
        'config': {'a': 1},
        'versions': {'jax': '1'},
        'data': {'fingerprint': 'f' * 64},
    }
    drawn = Drawn(figure.name, figure.title, figures.caption(figure, results), picture)
    shown = [tables.settings_table(results)]
    path = tmp_path_factory.mktemp('report') / 'report.html'
    return report.write(path, Contents(results, verdicts, [drawn], shown, meta))


@pytest.fixture(scope='module')
def overview_page(tmp_path_factory):
    root = tmp_path_factory.mktemp('runs')
    for name, kind, tweak in (('one', 'supported', 'dropout'), ('two', 'contradicted', 'noise')):
        folder = root / name
        folder.mkdir()
        verdicts = [verdict(kind), verdict('inconclusive', note='why not')]
        record = {'experiment': name, 'size': 'quick', 'document': 'ROLE §1', 'tweaks': [tweak],
                  'data': 'CIFAR-10', 'stand_in': False, 'verdicts': verdicts,
                  'published': [compared(number={'differs': '20,000 images'})]}  # fmt: skip
        (folder / 'claims.json').write_text(json.dumps(record))
        (folder / 'report.html').write_text('<title>' + name)
    return overview.write(root / 'overview', overview.gather([root]))[0]


def live_text(percent, every=2.0, **more):
    """A page of a sweep under way."""
    results = batch_sizes(seeds=2)
    state = report.Live(percent / 100, '3 min left', 'group 1/2: with BN', ['It helps.'], every,
                        time.time(), **more)  # fmt: skip
    shown = [tables.settings_table(results)]
    contents = Contents(results, [verdict('supported')], [], shown, {'title': 'under way'})
    return report.render_live(contents, state)


@pytest.fixture(scope='module')
def live_page(tmp_path_factory):
    path = tmp_path_factory.mktemp('live') / 'report.html'
    path.write_text(live_text(40, every=600.0))
    return path


@pytest.fixture(params=['report', 'overview', 'live'])
def page(request):
    return request.getfixturevalue(f'{request.param}_page')


def texts(browser, selector):
    return browser.evaluate(
        f'[...document.querySelectorAll({json.dumps(selector)})]'
        '.filter(node => node.checkVisibility()).map(node => node.textContent.trim())'
    )


def choose(browser, selector, words):
    """Chooses an option of a list by its words, as a user does."""
    browser.evaluate(
        f"""(() => {{
          const list = document.querySelector({json.dumps(selector)});
          const option = [...list.options].find(option => option.text === {json.dumps(words)});
          list.value = option.value;
          list.dispatchEvent(new Event('change', {{bubbles: true}}));
        }})()"""
    )


def test_a_complaint_is_noticed(chromium, tmp_path):
    path = tmp_path / 'bad.html'
    path.write_text("<script>console.error('so bad'); setTimeout(() => nothing.at.all)</script>")
    chromium.complaints.clear()
    chromium.open(path)
    chromium.evaluate('new Promise(done => setTimeout(done, 50))')
    assert chromium.complaints[0] == 'so bad'
    assert 'nothing is not defined' in chromium.complaints[1]
    refused = "<meta http-equiv='Content-Security-Policy' content=\"script-src 'none'\"><script>"
    path.write_text(f'{refused}1</script>')
    chromium.open(path)
    chromium.evaluate('new Promise(done => setTimeout(done, 50))')
    assert 'Content Security Policy' in chromium.complaints[2]


@pytest.mark.parametrize(('width', 'dark'), SCHEMES)
def test_all_text_can_be_read_at_any_width(browser, page, width, dark):
    browser.screen(width, 800, dark)
    browser.open(page)
    browser.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    inside, window = browser.evaluate('[document.scrollingElement.scrollWidth, innerWidth]')
    assert inside <= window == width
    contrasts = browser.evaluate(CONTRASTS)
    assert len(contrasts) > 20
    assert [found for found in contrasts if found[0] < 4.5] == []  # WCAG 2, level AA


def test_every_control_and_picture_has_a_name(browser, page):
    browser.open(page)
    unnamed = browser.evaluate(
        """[...document.querySelectorAll('button, select, img, svg[tabindex]')].filter(node =>
          !(node.textContent.trim() && node.tagName === 'BUTTON') && !node.ariaLabel && !node.alt
          && !(node.labels && node.labels.length)).map(node => node.outerHTML)"""
    )
    assert unnamed == []
    assert browser.evaluate("document.querySelectorAll('h1').length") == 1


def test_the_theme_is_the_readers(browser, page):
    browser.open(page)
    color = 'getComputedStyle(document.body).backgroundColor'
    light = browser.evaluate(color)
    assert texts(browser, '#theme') == ['Dark theme']
    browser.click('#theme')
    dark = browser.evaluate(color)
    assert dark != light
    assert texts(browser, '#theme') == ['Light theme']
    assert browser.open_until(page, color, dark) == dark  # remembered
    browser.click('#theme')
    assert browser.evaluate(color) == light
    browser.screen(1200, 900, dark=True, media='print')
    assert browser.evaluate(color) == 'rgb(255, 255, 255)'
    assert forgotten(browser, page)


def forgotten(browser, page):
    """Whether what a reader chose is gone from the browser, for the tests that follow."""
    browser.evaluate('localStorage.clear()')
    return browser.open_until(page, 'localStorage.length', 0) == 0


def test_figures_fit_the_theme_that_the_reader_chose(browser, report_page):
    """Whatever the system's is; on paper they are light."""
    shown = """['img', '.paper'].map(one => document.querySelector('figure ' + one))
      .map(getComputedStyle).map((style, i) => i ? style.backgroundColor : style.filter)"""
    light, dark = ['none', 'rgb(255, 255, 255)'], ['invert(0.88) hue-rotate(180deg)', PAGE]
    for system, other in ((light, dark), (dark, light)):
        browser.screen(1200, 900, dark=system is dark)
        browser.open(report_page)
        assert browser.evaluate(shown) == system
        browser.click('#theme')
        assert browser.evaluate(shown) == other
        browser.screen(1200, 900, dark=system is dark, media='print')
        assert browser.evaluate(shown) == light
        browser.screen(1200, 900, dark=system is dark)
        assert forgotten(browser, report_page)


def luminance(color):
    """Relative luminance of red, green, blue in 0…1."""
    linear = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    low, high = sorted(luminance(np.array(to_rgb(color))) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


def on_dark(color):
    """invert(.88) hue-rotate(180deg), as the Filter Effects Module defines them."""
    turned = np.array([[-0.574, 1.43, 0.144], [0.426, 0.43, 0.144], [0.426, 1.43, -0.856]])
    return np.clip(turned @ (0.88 - 0.76 * np.array(to_rgb(color))), 0, 1)


ORDERED = [look['color'] for look in styles([1, 2, 3, 4, 5, 6])]


@pytest.mark.parametrize('color', [*OKABE_ITO, *FURTHER, *ORDERED, INK, MUTED, WARNING])
def test_a_colour_of_a_figure_is_read_as_easily_on_a_dark_page(color):
    paper = on_dark('white')
    assert to_hex(paper) == '#1f1f1f'  # `--figure-page`
    assert contrast(on_dark(color), paper) > min(3.0, contrast(color, 'white'))


def test_a_page_under_way_reloads_itself_and_stays_where_the_reader_is(browser, tmp_path):
    path = tmp_path / 'report.html'
    path.write_text(live_text(40, every=600.0))
    browser.open(path)
    assert 'reloads itself' in texts(browser, '#age')[0]
    browser.click('#curves .settings button:nth-child(2)')
    browser.evaluate('window.scrollTo(0, 300); document.activeElement.blur(); window.before = 1')
    atomic.write(path, live_text(60, every=600.0, stopped=True).encode())
    # Ten minutes later, by the page's clock.
    browser.evaluate('Date.now = (now => () => now() + 601_000)(Date.now); undefined')
    deadline, shown = time.monotonic() + 120, None
    while shown != ['60% under way', 'complete']:
        assert time.monotonic() < deadline, shown
        time.sleep(0.2)
        with contextlib.suppress(RuntimeError):  # asked of the page that is just being left
            shown = browser.evaluate('[document.title, document.readyState]')
    picked = "document.querySelector('#curves .settings button:nth-child(2)').ariaPressed"
    assert browser.evaluate(f'[window.before ?? 0, scrollY, {picked}]') == [0, 300, 'true']
    # It stands still now.
    assert 'The same command goes on from here.' in texts(browser, '#age')[0]
    assert browser.evaluate("'stopped' in document.documentElement.dataset")


def test_a_heading_sorts_its_table(browser, report_page):
    browser.open(report_page)
    column = lambda: texts(browser, f'{TABLES} > .scroll td:first-child')
    heading = f'{TABLES} > .scroll th:first-child button'
    given = column()
    assert given == ['8', '8', '16', '16', '32', '32', '64', '64', '128', '128', '256', '256']
    browser.click(heading)
    assert column() == given
    browser.click(heading)
    assert column() == given[::-1]  # by size: as words, 8 would come before 64
    assert browser.evaluate("document.querySelector('th').ariaSort") == 'descending'
    assert texts(browser, f'{TABLES} details tbody tr') == []
    browser.click(f'{TABLES} summary')
    assert len(texts(browser, f'{TABLES} details tbody tr')) == 36


def strong_and_pale(browser):
    """How many runs are drawn thick, and how many are drawn pale."""
    return [
        browser.evaluate(f"document.querySelectorAll('path.run.{kind}').length")
        for kind in ('strong', 'pale')
    ]


def test_a_setting_and_a_seed_can_be_picked(browser, report_page):
    browser.open(report_page)
    assert len(texts(browser, '.settings button')) == 12
    assert '36 of 36 runs' in texts(browser, '#curves output')[0]
    browser.click('.settings button:nth-child(3)')
    assert strong_and_pale(browser) == [0, 33]
    assert '3 of 36 runs' in texts(browser, '#curves output')[0]
    choose(browser, '#curves-seed', '1')
    assert strong_and_pale(browser) == [0, 35]
    browser.click('button.all')
    assert strong_and_pale(browser) == [0, 0]
    # A run that ends early has the axis for itself: its last epoch, 3, lies at the right.
    labels = lambda: texts(browser, '.plot > text')
    assert '8' in labels()
    browser.click('.settings button:nth-child(2)')
    choose(browser, '#curves-seed', '2')
    assert '3' in labels()
    assert '8' not in labels()
    browser.click('button.all')
    before = browser.evaluate("document.querySelector('path.run').getAttribute('d')")
    choose(browser, '#curves-metric', 'training loss')
    assert browser.evaluate("document.querySelector('path.run').getAttribute('d')") != before


def test_a_long_list_of_settings_fades_after_whole_rows_and_ends_whole(browser, report_page):
    browser.screen(390, 800)
    browser.open(report_page)
    rows = """(() => {
        const box = document.querySelector('.settings').getBoundingClientRect();
        const fade = getComputedStyle(document.querySelector('.settings'), '::after');
        const end = box.bottom - parseFloat(fade.height);
        const chips = [...document.querySelectorAll('.settings button')]
            .map(chip => chip.getBoundingClientRect());
        const cut = chips.filter(chip => chip.top < end - 1 && chip.bottom > end + 1).length;
        return [fade.position, cut, chips.at(-1).bottom <= end + 1];
    })()"""
    tall = "(box => [box.scrollHeight > box.clientHeight])(document.querySelector('.settings'))"
    assert browser.evaluate(tall) == [True]
    in_lines = "document.querySelectorAll('.settings button').forEach(chip => chip.style = {})"
    browser.evaluate(in_lines.format("'width: 100%; white-space: nowrap; overflow: hidden'"))
    assert browser.evaluate(rows) == ['sticky', 0, False]
    browser.evaluate("document.querySelector('.settings').scrollTop = 1e6")
    position, _, last_is_seen = browser.evaluate(rows)
    assert (position, last_is_seen) == ('sticky', True)


def test_settings_beyond_the_eighth_look_different_and_ticks_are_whole(browser, tmp_path):
    results = batch_sizes(seeds=1)
    near = results.curves['validation_accuracy']
    near[:] = 1 - 1e-4 * (1 - near)
    browser.open(report.write(tmp_path / 'report.html', Contents(results)))
    looks = browser.evaluate(
        """[...document.querySelectorAll('path.run')].map(path => {
          const style = getComputedStyle(path);
          return style.stroke + ' ' + style.strokeDasharray;
        })"""
    )
    assert len(looks) == len(set(looks)) == 12
    ticks = [text for text in texts(browser, '.plot > text') if text.endswith('%')]
    assert len(ticks) == len(set(ticks)) > 2
    assert all('99.99' in tick for tick in ticks)
    left = browser.evaluate(
        "Math.min(...[...document.querySelectorAll('.plot > text')].map(text => text.getBBox().x))"
    )
    assert left >= 0


def test_runs_that_no_claim_needed_are_not_counted(browser, tmp_path):
    """One setting has three seeds, of which one diverged before its first epoch; 11 have one."""
    results = batch_sizes(seeds=3, diverged=[(0, 2, 0)])
    for curve in results.curves.values():
        curve[1:, 1:] = np.nan
    browser.open(report.write(tmp_path / 'report.html', Contents(results)))
    assert '14 of 14 runs' in texts(browser, '#curves output')[0]
    browser.click('.settings button:nth-child(1)')
    assert '3 of 14 runs' in texts(browser, '#curves output')[0]


def test_the_run_that_is_pointed_at_is_named_and_picked_by_a_click(browser, report_page):
    browser.open(report_page)
    browser.evaluate("document.querySelector('.plot').scrollIntoView({block: 'center'})")
    # The end of the last curve drawn.
    x, y = browser.evaluate(
        """(() => {
          const run = [...document.querySelectorAll('path.run')].pop();
          const end = run.getPointAtLength(run.getTotalLength());
          const at = new DOMPoint(end.x, end.y).matrixTransform(run.getScreenCTM());
          return [at.x, at.y];
        })()"""
    )
    browser.point(x, y)
    assert strong_and_pale(browser) == [1, 0]
    said = texts(browser, '#curves output')[0]
    assert 'batch size 256, batch norm, seed 2, epoch 8: ' in said
    assert said.endswith('%')
    for kind in ('mousePressed', 'mouseReleased'):
        browser.call('Input.dispatchMouseEvent', type=kind, x=x, y=y, button='left', clickCount=1)
    browser.point(1, 1)
    assert strong_and_pale(browser) == [0, 35]


def test_the_curves_obey_the_keyboard(browser, report_page):
    browser.open(report_page)
    browser.evaluate("document.querySelector('.plot').focus()")
    output = lambda: texts(browser, '#curves output')[0]
    browser.press('ArrowRight', 39)
    assert 'batch size 8, without normalisation, seed 0, epoch 1:' in output()
    browser.press('ArrowRight', 39)
    browser.press('ArrowDown', 40)
    assert 'seed 1, epoch 2:' in output()
    browser.press('Enter', 13)
    assert strong_and_pale(browser) == [1, 35]
    browser.press('Escape', 27)
    assert strong_and_pale(browser) == [0, 0]


def test_the_overview_can_be_filtered(browser, overview_page):
    browser.open(overview_page)
    shown = lambda: texts(browser, 'tbody tr .badge')
    tall = "document.querySelector('{}').getBoundingClientRect().height"
    assert len(shown()) == 4
    assert browser.evaluate(tall.format('.answers')) > 20  # the answers are read first
    choose(browser, '#by-verdict', 'inconclusive')
    assert shown() == ['? inconclusive'] * 2
    for whole in ('.answers', '.numbers'):  # what is not of a document stays
        assert browser.evaluate(tall.format(whole)) > 20
    choose(browser, '#by-experiment', 'two')
    assert shown() == ['? inconclusive']
    assert texts(browser, '#shown') == ['1 of 4 claims shown']
    assert len(texts(browser, '.numbers tbody tr')) == 2  # those are not filtered
    browser.click('.controls button')
    assert len(shown()) == 4
    choose(browser, '#by-tweak', 'noise')
    assert shown() == ['✗ contradicted', '? inconclusive']
    browser.follow('tr[data-document]:not([hidden]) a')
    assert pathlib.Path(browser.evaluate('location.pathname')).parts[-2:] == ('two', 'report.html')

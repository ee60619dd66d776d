"""The notebook of the documentation runs from the first cell to the last, in a kernel."""

import os
import pathlib
import sys

import pytest

from jaxtweaks.run import progress

ROOT = pathlib.Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / 'docs' / 'notebook.ipynb'


@pytest.fixture(scope='module')
def outputs(tmp_path_factory):
    """What each of its ten cells of code shows: by MIME type, of every output of the cell."""
    for name in ('nbclient', 'nbformat', 'ipykernel'):
        pytest.importorskip(name, reason=f'{name} is not installed; see the extra test')
    import nbclient
    import nbformat

    folder = tmp_path_factory.mktemp('notebook')
    specs = folder / 'kernels' / 'tested'  # a kernel of this very Python
    specs.mkdir(parents=True)
    command = f'["{sys.executable}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"]'
    (specs / 'kernel.json').write_text(
        f'{{"argv": {command}, "display_name": "tested", "language": "python"}}'
    )
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH', '')]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('PYTHONPATH', paths)
        patch.setenv('JUPYTER_PATH', str(folder))
        patch.delenv('MPLBACKEND', raising=False)
        resources = {'metadata': {'path': str(folder)}}
        client = nbclient.NotebookClient(
            notebook, timeout=300, kernel_name='tested', resources=resources
        )
        client.execute()
    code = [cell for cell in notebook.cells if cell.cell_type == 'code']
    assert (folder / 'runs' / 'notebook-smoke' / 'report.html').is_file()
    return [[dict(output.get('data', {})) for output in cell.outputs] for cell in code]


def test_ten_cells_lead_to_a_figure(outputs):
    assert len(outputs) == 10
    (figure,) = outputs[-1]
    assert figure['image/png']


def test_the_answer_is_shown_with_its_verdict_and_table(outputs):
    (answer,) = outputs[6]
    shown = answer['text/html']
    assert 'Does dropout help a small network' in shown
    assert 'Dropping a quarter of the units lowers the test loss.' in shown
    assert 'Results by setting' in shown


def test_arrays_and_rows_are_those_of_the_usual_libraries(outputs):
    assert '0.25' in outputs[7][0]['text/plain']
    assert '<table' in outputs[8][0]['text/html']


def test_training_has_one_display_that_is_gone_at_the_end(outputs):
    """Rich prints the tables of the answer; the progress left nothing but its empty place."""
    shown = [output.get('text/html', '') for output in outputs[5]]
    assert shown[1:]
    assert not any('<progress' in one or 'epoch ' in one for one in shown)


class Handle:
    def __init__(self):
        self.shown = []

    def update(self, content):
        self.shown.append(content.data)


def test_one_display_is_updated_in_place(monkeypatch):
    display = pytest.importorskip('IPython.display', reason='there is no IPython')
    handle, made = Handle(), []

    def shown(content, display_id):
        made.append(content.data)
        return handle

    monkeypatch.setattr(display, 'display', shown)
    view = progress.InPlace(interval=0.0)
    for _ in range(2):  # a search begins once for each round
        view.start()
        view.group('group 1/2', 'with <BN>')
        view.show(0.296, 'epoch 1/9', '20 s left')
        view.stop()
    assert len(made) == 1
    assert 'with &lt;BN&gt;' in handle.shown[0]
    assert '29%' in handle.shown[0]
    assert 'value="0.2960"' in handle.shown[0]
    assert handle.shown[-1] == ''

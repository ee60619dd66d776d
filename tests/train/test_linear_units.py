"""Whether hidden units are measured as they are used at the end of training."""

import numpy as np
import pytest
from tiny_training import Trained, data, group_of, setting

pytestmark = pytest.mark.usefixtures('all_quickly_compiled')

DATA = data()


@pytest.mark.parametrize('activation', ['tanh', 'identity'])
def test_linearity_is_that_of_the_trained_units_on_validation(activation):
    one = setting(
        model__activation=activation,
        model__norm='none',
        model__hidden=(7, 5),
        train__linearity=True,
        dropout__hidden=0.5,
    )
    group, hyper, seeds = group_of([(one, 0), (one, 1)])
    trained = Trained(group, hyper, seeds, DATA)
    images = np.asarray(DATA.validation.images, np.float64)
    x = (images - np.asarray(DATA.mean)) * np.asarray(DATA.inverse_std)
    for run in range(2):
        y, correlations = x.reshape(len(x), -1), []
        for layer in ('Dense_0', 'Dense_1'):
            weights = {n: leaf[run] for n, leaf in trained.final.params[layer].items()}
            entered = y @ weights['kernel'] + weights['bias']
            y = np.tanh(entered) if activation == 'tanh' else entered
            pairs = zip(entered.T, y.T, strict=True)
            correlations.append(np.mean([np.corrcoef(a, b)[0, 1] ** 2 for a, b in pairs]))
        found = trained.found.finals['linearity'][run]
        assert found == pytest.approx(np.mean(correlations), rel=1e-3)
        assert found < 0.99 or activation == 'identity'


def test_it_is_measured_only_if_asked_for():
    group, hyper, seeds = group_of([(setting(), 0)])
    assert 'linearity' not in Trained(group, hyper, seeds, DATA).found.finals

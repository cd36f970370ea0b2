import pytest

from tests.demo_project.web import Site


@pytest.fixture
def site(project):
    return Site(project).start()

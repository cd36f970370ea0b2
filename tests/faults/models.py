"""What handlers write when their database effects are counted."""

from django.db import models


class Effect(models.Model):
    obj_id = models.IntegerField()

    def __str__(self):
        return str(self.obj_id)

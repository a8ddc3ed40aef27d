"""stub"""
def line(r): return f"{r['name']} [{r['task']}] f {r['forward']['D']} b {r['backward']['D']} rank {r['effective_rank']} {[(k,v['steps'],v['accuracy']) for k,v in r['cells'].items()]} {r['seconds']} s"

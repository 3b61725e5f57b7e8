package bot

// incidentWords are the commands about an incident's own life, beyond the first
// few in words.
var incidentWords = []word{}

package config

import "irisops/actions/cluster"

// Backup is where backups of Mnesia go, on the host of the node that makes one.
type Backup struct {
	Dir     string `yaml:"dir"`  // absolute; "": the folder backups in the node's own
	Keep    int    `yaml:"keep"` // of a cluster
	MinFree Size   `yaml:"min_free"`
}

const (
	defaultKeep    = 7
	mostKept       = 1000
	defaultMinFree = Size(2 << 30)
)

func (k *checker) checkBackup() {
	b := &k.c.Backup
	if k.given("backup.dir") && k.checkPath("backup.dir", b.Dir) && b.Dir == "/" {
		k.fault("backup.dir", "dir: the root folder is no place for backups. For example /var/backups/iris")
	}
	fill(k, "backup.keep", &b.Keep, defaultKeep)
	if k.usable("backup.keep") && (b.Keep < 1 || b.Keep > mostKept) {
		k.fault("backup.keep", "keep: %d cannot be kept. From 1 to %d.", b.Keep, mostKept)
	}
	fill(k, "backup.min_free", &b.MinFree, defaultMinFree)
}

// Options are the same for the clusters.
func (b Backup) Options() cluster.BackupOptions {
	return cluster.BackupOptions{Dir: b.Dir, Keep: b.Keep, MinFree: uint64(b.MinFree)}
}

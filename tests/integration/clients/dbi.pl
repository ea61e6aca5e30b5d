#!/usr/bin/perl
# dbi.pl mysql|MariaDB: the suite of Perl's two DBI drivers.
use strict;
use warnings;
use DBI;

my $driver = shift;
my $prefix = $driver eq 'mysql' ? 'mysql' : 'mariadb';
binmode STDOUT, ':utf8';
$| = 1;

sub say_line {
    my ($name, @values) = @_;
    my $text = join ' ', map { defined $_ ? (length $_ > 2000 ? length $_ : "'$_'") : 'NULL' } @values;
    $text =~ s/([\x00-\x1f\x7f])/sprintf '\\x%02x', ord $1/ge;
    $name =~ s/[^\x20-\x7e]/?/g;
    print "$name: $text\n";
}

sub say_error {
    my ($name, $handle) = @_;
    say_line($name, 'error', $handle->err, $handle->state, $handle->errstr);
}

sub data_source {
    my (%options) = @_;
    my %all = (host => $ENV{CLIENT_HOST}, port => $ENV{CLIENT_PORT},
        database => $ENV{CLIENT_DATABASE}, %options);
    return "DBI:$driver:" . join ';', map { "$_=$all{$_}" } sort keys %all;
}

sub dbh {
    my ($options, $attributes) = @_;
    my $unicode = $driver eq 'mysql' ? { mysql_enable_utf8mb4 => 1 } : {};
    return DBI->connect(data_source(%{ $options // {} }),
        $ENV{CLIENT_USER}, $ENV{CLIENT_PASSWORD},
        { RaiseError => 0, PrintError => 0, AutoCommit => 1, %$unicode, %{ $attributes // {} } });
}

# Executes and says every result.
sub run {
    my ($dbh, $name, $sql, @values) = @_;
    my $sth = $dbh->prepare($sql) or return say_error($name, $dbh);
    defined $sth->execute(@values) or return say_error($name, $sth);
    while (1) {
        if ($sth->{NUM_OF_FIELDS}) {
            say_line("$name columns", map { $_ // '' } @{ $sth->{NAME} }, @{ $sth->{TYPE} },
                @{ $sth->{NULLABLE} });
            while (my $row = $sth->fetchrow_arrayref) { say_line($name, @$row); }
            say_error($name, $sth) if $sth->err;
        }
        say_line($name, 'rows', $sth->rows, 'warnings', $sth->{"${prefix}_warning_count"});
        last unless $sth->more_results;
    }
    return $sth;
}

sub play {
    my ($dbh, $file, $label) = @_;
    my $number = 0;
    open my $in, '<:utf8', "$ENV{CLIENT_SQL}/$file.sql" or die "$file: $!";
    while (my $sql = <$in>) {
        chomp $sql;
        next if $sql =~ /^-- /;
        run($dbh, "$label $number " . substr($sql, 0, 50), $sql);
        $number++;
    }
}

sub types {
    my ($dbh, $label) = @_;
    run($dbh, "$label $_", "SELECT * FROM $_ ORDER BY id") for qw(numbers strings times);
    my @values = (undef, 0, -1, '18446744073709551615', 1.5, -1e300, '', "Gr\x{fc}\x{df}e \x{1f600}'\"\\\0",
        '0000-00-00', '9999-12-31 23:59:59.999999', '-838:59:59');
    run($dbh, "$label value $_", 'SELECT ? AS v', $values[$_]) for 0 .. $#values;
    my $sth = $dbh->prepare('SELECT HEX(?), ? + 1, ?');
    $sth->bind_param(1, join('', map { chr } 0 .. 255), DBI::SQL_BLOB);
    $sth->bind_param(2, 41, DBI::SQL_INTEGER);
    $sth->bind_param(3, 'text', DBI::SQL_VARCHAR);
    $sth->execute;
    say_line("$label bound", @{ $sth->fetchrow_arrayref // ['nothing'] });
}

sub transactions {
    my $dbh = dbh();
    $dbh->do('CREATE TABLE moved (id INT PRIMARY KEY)');
    my $count = sub { say_line($_[0], $dbh->selectrow_array('SELECT COUNT(*) FROM moved')); };
    $dbh->begin_work;
    $dbh->do('INSERT INTO moved VALUES (1)');
    $dbh->rollback;
    $count->('rollback');
    $dbh->{AutoCommit} = 0;
    $dbh->do('INSERT INTO moved VALUES (1), (2)');
    $dbh->do('SAVEPOINT s');
    $dbh->do('DELETE FROM moved');
    $dbh->do('ROLLBACK TO s');
    run($dbh, 'duplicate', 'INSERT INTO moved VALUES (1)');
    $dbh->commit;
    $count->('commit');
    $dbh->do('DELETE FROM moved');
    $dbh->disconnect;
    $dbh = dbh();
    $count->('never committed');
    my $sth = $dbh->prepare('INSERT INTO moved VALUES (?)');
    my @status;
    say_line('execute_array', $sth->execute_array({ ArrayTupleStatus => \@status }, [10, 11, 1]) // 'undef',
        map { ref $_ ? "@$_" : $_ } @status);
    $count->('after it');
    $dbh->disconnect;
}

sub session {
    my $dbh = dbh();
    say_line('ping', $dbh->ping);
    say_line('server', $dbh->get_info(18), $dbh->{"${prefix}_serverinfo"}, $dbh->{"${prefix}_protoinfo"});
    say_line('stat', substr $dbh->{"${prefix}_stat"} // '', 0, 6);
    say_line('thread id', $dbh->selectrow_array('SELECT CONNECTION_ID()') == $dbh->{"${prefix}_thread_id"});
    $dbh->do("INSERT INTO counted (name) VALUES ('perl')");
    my $id = $dbh->last_insert_id(undef, undef, 'counted', 'id');
    say_line('insert id', $dbh->selectrow_array("SELECT COUNT(*) FROM counted WHERE id = $id AND name = 'perl'"));
    say_line('tables', sort $dbh->tables(undef, undef, '%', 'TABLE'));
    for my $call (qw(column_info primary_key_info foreign_key_info)) {
        my $sth = $call eq 'foreign_key_info'
            ? $dbh->foreign_key_info(undef, undef, undef, undef, $ENV{CLIENT_DATABASE}, 'part')
            : $dbh->$call(undef, $ENV{CLIENT_DATABASE}, 'part', $call eq 'column_info' ? '%' : ());
        # In whatever order the server finds them.
        my @rows = map { join ' ', map { $_ // 'NULL' } @$_ } @{ $sth ? $sth->fetchall_arrayref : [] };
        say_line($call, $_) for sort @rows;
    }
    say_line('type_info', scalar @{ $dbh->type_info_all });
    my $other = dbh();
    $dbh->do('KILL ' . $other->{"${prefix}_thread_id"});
    say_line('killed', $other->ping ? 1 : 0);
    $dbh->disconnect;
    my $wrong = DBI->connect(data_source(), $ENV{CLIENT_USER}, 'wrong', { PrintError => 0 });
    say_line('wrong password', $wrong ? 'in' : ($DBI::err, $DBI::state, $DBI::errstr));
}

sub files {
    my $path = "$ENV{CLIENT_DIR}/load.tsv";
    open my $out, '>', $path or die $!;
    print $out "$_\tvalue $_\n" for 1 .. 2000;
    close $out;
    my $dbh = dbh({ "${prefix}_local_infile" => 1 });
    $dbh->do('CREATE TABLE loaded (id INT PRIMARY KEY, v VARCHAR(20))');
    run($dbh, "load $_", "LOAD DATA LOCAL INFILE '$path' INTO TABLE loaded") for 1 .. 2;
    run($dbh, 'loaded', 'CHECKSUM TABLE loaded');
    $dbh->disconnect;
    $dbh = dbh({ "${prefix}_use_result" => 1 });
    my $sth = $dbh->prepare('SELECT seq FROM seq_1_to_5000');
    $sth->execute;
    my $sum = 0;
    while (my $row = $sth->fetchrow_arrayref) { $sum += $row->[0]; }
    say_line('use_result', $sum);
    $dbh->disconnect;
    $dbh = dbh({ "${prefix}_ssl" => 1, "${prefix}_ssl_ca_file" => $ENV{CLIENT_CA} });
    run($dbh, 'tls', "SELECT 'secret'") if $dbh;
    say_line('no tls', $DBI::errstr) unless $dbh;
    $dbh = dbh({ "${prefix}_compression" => 1 });
    run($dbh, 'compressed', "SELECT LENGTH(REPEAT('x', 1000000))") if $dbh;
}

my $dbh = dbh();
play($dbh, 'schema', 'schema');
types($dbh, 'text');
play($dbh, 'statements', 'statements');
play($dbh, 'errors', 'errors');
$dbh->disconnect;
$dbh = dbh({ "${prefix}_server_prepare" => 1 });
types($dbh, 'prepared');
play($dbh, 'errors', 'prepared errors');
$dbh->disconnect;
transactions();
session();
files();
